"""A sweep as a report sees it: the trials of its sweep.csv."""

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

from asrnn.config import flatten
from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import damaged, read_sealed
from asrnn.objectives import CROSS_ENTROPY, Objective, objective_of
from asrnn.runs.workdir import CONFIG, TRIALS
from asrnn.sweeps.folder import CHECK, SCALES, TABLE, check_of, read_trials
from asrnn.sweeps.halving import ranked
from asrnn.sweeps.trials import FINISHED, Outcome, Trial

COLUMNS = ("id", "status", "steps", "rung")

Value = float | str | None
"""Of a field: a number, a name, or None where the trial does not set it."""


class Entry(NamedTuple):
    """One line of the table."""

    id: str
    status: str
    steps: str
    rung: str
    score: float | None
    """The best value of the monitored metric on the validation part."""
    values: dict[str, Value]


class Setting(NamedTuple):
    """Trials that differ in nothing but the seed."""

    score: float | None
    """Their mean; None unless all of them are done."""
    entries: list[Entry]
    objective: Objective = CROSS_ENTROPY

    def __str__(self) -> str:
        first, seeds = self.entries[0].id, len(self.entries)
        score = "no score" if self.score is None else self.objective.metric.text(self.score)
        which = f"mean of {seeds} seeds, first trial {first}" if seeds > 1 else f"trial {first}"
        return f"{score} ({which})"


class TrialTable(NamedTuple):
    """The trials of a sweep in their order, and the fields that it sets."""

    name: str
    entries: list[Entry]
    fields: list[str]
    scales: dict[str, str]
    """Either "log" or "linear", for fields of which the space says it."""
    objective: Objective = CROSS_ENTROPY

    @property
    def ranking(self) -> list[Setting]:
        """The settings, best first, as the sweep itself ranks them; without a score, last.

        A setting of a higher rung comes before all of a lower one, whatever their scores.
        """
        found = [setting for rung in self._rungs() for setting in self._ranked(rung)]
        return sorted(found, key=lambda setting: setting.score is None)

    @property
    def best(self) -> Setting | None:
        """The best setting of the highest rung, the first of equals, once one is done."""
        highest = next(iter(self._rungs()), [])
        return next((s for s in self._ranked(highest) if s.score is not None), None)

    def _ranked(self, entries: list[Entry]) -> list[Setting]:
        by_id = {entry.id: entry for entry in entries}
        outcomes = {
            e.id: Outcome(e.status in FINISHED, e.status, 0, e.score, self.objective)
            for e in entries
        }
        trials = [Trial(entry.id, dict(entry.values)) for entry in entries]
        return [
            Setting(score, [by_id[trial.id] for trial in group], self.objective)
            for score, group in ranked(trials, outcomes)
        ]

    def _rungs(self) -> list[list[Entry]]:
        """The trials by the rung they came to, highest first."""
        if "training.steps" in self.fields:  # then there are no rungs, but lengths of runs
            return [self.entries]
        rungs: dict[int, list[Entry]] = {}
        for entry in self.entries:
            rungs.setdefault(int(entry.rung) if entry.rung.isdecimal() else 0, []).append(entry)
        return [rungs[rung] for rung in sorted(rungs, reverse=True)]


def find_sweeps(root: Path) -> list[Path]:
    """All folders of sweeps in and below a folder, by path."""
    found = [Path(folder) for folder, _, files in os.walk(root) if {TRIALS, TABLE} <= set(files)]
    return sorted(found)


def read_sweep(path: Path, name: str) -> TrialTable:
    """Reads a sweep.csv, and what the space says of its fields.

    Raises:
      CheckpointError: if they are not what a sweep writes.
      AsrnnError: as `asrnn.sweeps.folder.read_trials`, because the sweep would not go on either.
    """
    read_trials(path.parent)
    try:
        with path.open(newline="") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, str(error)) from None
    objective = _read_objective(path.with_name(CONFIG))
    column = f"validation_{objective.monitored}"
    for expected in (*COLUMNS, column):
        if expected not in header:
            raise _damaged(path, f"no column {expected!r}")
    for i, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _damaged(path, f"line {i} has {len(line)} cells of {len(header)}")
        if (line[-1] == check_of(header[:-1], line[:-1])) != (header[-1] == CHECK):
            raise _damaged(path, f"the {CHECK} of line {i} does not fit")
    fields = [name for name in header if name not in (*COLUMNS, column, CHECK)]
    entries = [_entry(dict(zip(header, line, strict=True)), fields, column, path) for line in lines]
    return TrialTable(name, entries, fields, _read_scales(path.with_name(SCALES)), objective)


def _read_objective(path: Path) -> Objective:
    """That of the config which all trials share."""
    try:
        return objective_of(flatten(read_sealed(path)))
    except (OSError, ValueError, AttributeError):
        return CROSS_ENTROPY
    except ConfigError as error:
        raise damaged(path, str(error)) from None


def _read_scales(path: Path) -> dict[str, str]:
    """None if an older version made the sweep."""
    try:
        return read_sealed(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); run the sweep again") from None


def _entry(cells: dict[str, str], fields: list[str], column: str, path: Path) -> Entry:
    score = _value(cells[column])
    if isinstance(score, str):
        name = column.replace("_", " ")
        raise _damaged(path, f"trial {cells['id']} has the {name} {score!r}")
    return Entry(
        cells["id"],
        cells["status"],
        cells["steps"],
        cells["rung"],
        score,
        {name: _value(cells[name]) for name in fields},
    )


def _value(cell: str) -> Value:
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell


def _damaged(path: Path, found: str) -> CheckpointError:
    return CheckpointError(f"{path} is not the table of a sweep ({found}); run the sweep again")
