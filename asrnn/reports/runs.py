"""Runs as a report sees them: what the files of their workdirs say."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asrnn.config import flatten
from asrnn.errors import AsrnnError, ConfigError
from asrnn.files import damaged, read_sealed
from asrnn.objectives import Objective, objective_of
from asrnn.runs.metrics import Row, read_rows
from asrnn.runs.summary import SUMMARY, is_finished
from asrnn.runs.workdir import CONFIG, METRICS

UNFINISHED = "unfinished"
ABSENT = object()
"""Shown where a config does not have a field."""
CONFIG_NUMBERS = ("training.steps", "training.batch_size", "training.patience")
SUMMARY_NUMBERS = ("steps", "num_parameters", "seconds", "peak_memory_bytes")


class Run(NamedTuple):
    """One workdir, read."""

    name: str
    """Its path below the folder of the report."""
    config: dict[str, Any]
    """By dotted name, as config.json has it; a field that a later version added is absent."""
    summary: dict[str, Any]
    """By dotted name; empty for a run that was killed, or runs, before its first end."""
    rows: list[Row]
    pruned: bool = False
    """Its sweep has ended it early."""

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.config.get("task.name"))

    @property
    def cell(self) -> str:
        """The cell's name."""
        return str(self.config.get("model.cell"))

    @property
    def status(self) -> str:
        """That of the summary, if no step was made or asked for after it was written."""
        if self.pruned:
            return "pruned"
        status = str(self.summary.get("status", UNFINISHED))
        recorded = self.summary.get("steps", 0)
        asked = self.config.get("training.steps", 0)
        patience = self.config.get("training.patience", 0)
        done = status == "done" and not is_finished(self.summary, asked, patience)
        gone_on = self.last_step > recorded or (done and asked > recorded)
        return UNFINISHED if gone_on else status

    @property
    def steps(self) -> int:
        """How far the run got, by its files."""
        return max(self.last_step, int(self.summary.get("steps", 0)))

    @property
    def last_step(self) -> int:
        """That of the last row."""
        return max((row["step"] for row in self.rows), default=0)

    @property
    def objective(self) -> Objective:
        """What it minimised, and by which metric it is compared."""
        return objective_of(self.config)

    @property
    def validation_score(self) -> float | None:
        """The best so far."""
        scores = [score for _, score in self.points("validation", self.objective.monitored)]
        return min(scores, key=self.objective.metric.cost, default=None)

    @property
    def test_score(self) -> float | None:
        """Of the best checkpoint, once the run is done."""
        name = f"test_{self.objective.monitored}"
        return self.summary.get(name) if self.status == "done" else None

    def points(self, split: str, name: str) -> list[tuple[float, float]]:
        """(step, value) of the rows of a part that have the value."""
        return [
            (row["step"], row[name])
            for row in self.rows
            if row["split"] == split and _is_number(row.get(name))
        ]


def find_workdirs(root: Path) -> list[Path]:
    """All workdirs in and below a folder, by path.

    Raises:
      ConfigError: if there are none.
    """
    found = []
    for folder, folders, files in os.walk(root):
        if {CONFIG, METRICS} <= set(files):
            found.append(Path(folder))
            folders.clear()  # a workdir has no other in it
    if not found:
        raise ConfigError(
            f"no run found below {root}: no folder has a {CONFIG} and a {METRICS};"
            " give the folder of a run or one above it"
        )
    return sorted(found)


def read_readable(
    workdirs: Sequence[Path], root: Path, tell: Callable[[str], None]
) -> dict[Path, Run]:
    """The runs by their workdirs; one that is damaged does not hide the others.

    Args:
      workdirs: the folders of the runs.
      root: what their names are relative to.
      tell: is given a line on each that is left out.

    Raises:
      CheckpointError: that of the first run, if none can be read.
    """
    runs: dict[Path, Run] = {}
    refused: list[AsrnnError] = []
    for workdir in workdirs:
        try:
            runs[workdir] = read_run(workdir, root)
        except AsrnnError as error:
            refused.append(error)
    if refused and not runs:
        raise refused[0]
    for one in refused:
        tell(f"left out: {one}")
    return runs


def read_run(workdir: Path, root: Path) -> Run:
    """Reads a workdir; a torn last line of its metrics, left by a kill, is dropped.

    Raises:
      CheckpointError: if a file is damaged.
    """
    relative = workdir.relative_to(root)
    name = relative.as_posix() if relative.parts else workdir.resolve().name
    summary = workdir / SUMMARY
    config = _read_object(workdir / CONFIG, CONFIG_NUMBERS)
    try:
        numbers = (*SUMMARY_NUMBERS, f"test_{objective_of(config).monitored}")
    except ConfigError as error:
        raise damaged(workdir / CONFIG, str(error)) from None
    return Run(
        name,
        config,
        _read_object(summary, numbers) if summary.exists() else {},
        read_rows(workdir / METRICS),
    )


def _read_object(path: Path, numbers: Sequence[str]) -> dict[str, Any]:
    """A JSON object by dotted name, in which some fields are numbers if they are there."""
    try:
        flat = flatten(read_sealed(path))
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from None
    for name in numbers:
        if flat.get(name) is not None and not _is_number(flat[name]):
            raise damaged(path, f"{name} is {flat[name]!r}")
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def differing_fields(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that do not have one value in all configs, in the order of their names."""
    names = sorted({name for config in configs for name in config})
    return [
        name for name in names if len({_key(config.get(name, ABSENT)) for config in configs}) > 1
    ]


def written(value: Any) -> str:
    """A value as a reader knows it: strings without quotes, lists as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _key(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, sort_keys=True)
