"""metrics.jsonl: one JSON object a line, appended and flushed, cut back on resuming."""

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from asrnn.errors import ConfigError
from asrnn.training.checkpoints import cannot_write, write_atomically

Row = dict[str, Any]


class Records:
    """The metrics of one run, in metrics.jsonl and optionally as TensorBoard events.

    Args:
      path: the file; rows after `last_step` and rows of the final test are cut off, so
        that no step is recorded twice by a run that resumes.
      last_step: the step that the run resumes from.
      last_validated: the last step whose validation the run knows of.
      tensorboard: a folder for TensorBoard events, or None.
    """

    def __init__(
        self, path: Path, last_step: int, last_validated: int, tensorboard: Path | None = None
    ):
        last = {"train": last_step, "validation": last_validated}
        try:
            rows = read_rows(path)
        except OSError as error:
            raise cannot_write(path, error) from None
        kept = [row for row in rows if row["step"] <= last.get(row["split"], -1)]
        self._path = path
        self._events = None if tensorboard is None else _event_writer(tensorboard, last_step)
        write_atomically(path, "".join(map(_line, kept)))
        try:
            self._file = path.open("ab", buffering=0)  # so that nothing is left to fail later
        except OSError as error:
            raise cannot_write(path, error) from None

    def __enter__(self) -> "Records":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()

    def write(self, row: Row) -> None:
        """Appends a row that has at least `step` and `split`."""
        line = _line(row).encode()
        try:
            if self._file.write(line) != len(line):
                raise OSError("the disk is full")
        except OSError as error:
            raise cannot_write(self._path, error) from None
        if self._events is not None:
            for name, value in row.items():
                if name not in ("step", "split"):
                    self._events.add_scalar(f"{row['split']}/{name}", value, row["step"])


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl; a torn last line, left by a kill, is dropped."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or not {"step", "split"} <= row.keys():
            break
        rows.append(row)
    return rows


def _line(row: Row) -> str:
    """JSON has no NaN: a value that is not finite becomes null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(finite, allow_nan=False) + "\n"


def _event_writer(directory: Path, last_step: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ConfigError(
            "config.training.tensorboard needs tensorboardX, which is not installed;"
            " run: python -m pip install 'asrnn[tensorboard]'"
        ) from None
    # TensorBoard hides what an earlier, interrupted part of the run wrote after this step.
    # Its files are named by the second, and one of the same name would be overwritten.
    suffix = f".{last_step}"
    return SummaryWriter(str(directory), purge_step=last_step + 1, filename_suffix=suffix)
