"""Where the rows of a run go beside metrics.jsonl: TensorBoard, Weights & Biases.

A logger is imported when a config asks for it. Each is switched on by the field of its name in the
section `training`.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ml_collections import ConfigDict

from asrnn.config import flatten
from asrnn.errors import ConfigError, one_line
from asrnn.files import write_atomically

Row = Mapping[str, Any]


class Logger(Protocol):
    """Takes the rows of a run in the order in which they are recorded."""

    def write(self, row: Row) -> None:
        """Takes a row that has at least `step` and `split`."""

    def close(self) -> None:
        """Ends; what was written is kept."""


class TensorBoard:
    """Events in WORKDIR/tensorboard; arguments as `open_loggers`."""

    def __init__(self, workdir: Path, config: ConfigDict, last_step: int):
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            _missing("tensorboard", "tensorboardX")
        # TensorBoard hides what an earlier, interrupted part of the run wrote after this step.
        # Its files are named by the second, and one of the same name would be overwritten.
        self._events: Any = SummaryWriter(
            str(workdir / "tensorboard"),
            purge_step=last_step + 1,
            filename_suffix=f".{last_step}",
        )

    def write(self, row: Row) -> None:
        """Writes a scalar for each number."""
        for name, value in _numbers(row):
            self._events.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Closes the file."""
        self._events.close()


class WeightsAndBiases:
    """A run of Weights & Biases; arguments as `open_loggers`.

    Project, entity and mode are those of its variables (WANDB_PROJECT, WANDB_MODE=offline, ...). A
    run that resumes goes on with its id, which is drawn once and kept in the workdir.
    """

    def __init__(self, workdir: Path, config: ConfigDict, last_step: int):
        try:
            import wandb
        except ImportError:
            _missing("wandb", "wandb")
        known = workdir / "wandb_id.txt"
        own = known.read_text().strip() if known.exists() else uuid.uuid4().hex[:12]
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "asrnn"),
                name=workdir.name,
                id=own,
                resume="allow",
                reinit="create_new",  # a population opens one for each member
                dir=str(workdir),
                config=flatten(config.to_dict()),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except Exception as error:  # no key, no network, or what else it raises
            raise ConfigError(
                f"config.training.wandb: Weights & Biases does not start ({one_line(error)});"
                " log in with `wandb login`, or set WANDB_MODE=offline"
            ) from None
        write_atomically(known, f"{own}\n")
        # Its own step may not go back, as a run does that is evaluated at its best step.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def write(self, row: Row) -> None:
        """Logs the numbers and the step."""
        self._run.log({"step": row["step"], **dict(_numbers(row))})

    def close(self) -> None:
        """Waits until all is written or sent."""
        self._run.finish()


LOGGERS: dict[str, Callable[[Path, ConfigDict, int], Logger]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}
"""By the name of the field that asks for it."""


def open_loggers(workdir: Path, config: ConfigDict, last_step: int) -> list[Logger]:
    """The loggers that a config asks for.

    Args:
      workdir: of the run.
      config: of the run.
      last_step: the step from which the run goes on.

    Raises:
      ConfigError: if one is not installed, or does not start.
    """
    return [
        logger(workdir, config, last_step)
        for name, logger in LOGGERS.items()
        if config.training[name]
    ]


def _numbers(row: Row) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name not in ("step", "split"):
            yield f"{row['split']}/{name}", value


def _missing(extra: str, package: str) -> NoReturn:
    raise ConfigError(
        f"config.training.{extra} needs {package}, which is not installed;"
        f" run: pip install {package}"
    ) from None
