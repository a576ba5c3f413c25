"""A sweep as a report sees it: the trials of its sweep.csv."""

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

from asrnn.errors import DataError
from asrnn.sweeps.folder import TABLE
from asrnn.training.workdir import TRIALS

COLUMNS = ("id", "status", "steps", "rung", "validation_accuracy")

Value = float | str | None
"""Of a field: a number, a name, or None where the trial does not set it."""


class Entry(NamedTuple):
    """One line of the table."""

    id: str
    status: str
    steps: str
    rung: str
    validation_accuracy: float | None
    values: dict[str, Value]


class TrialTable(NamedTuple):
    """The trials of a sweep in their order, and the fields that it sets."""

    name: str
    entries: list[Entry]
    fields: list[str]

    @property
    def best(self) -> Entry | None:
        """The highest validation accuracy, the first of equals; diverged trials are out."""
        scored = [
            entry
            for entry in self.entries
            if entry.validation_accuracy is not None and entry.status != "diverged"
        ]
        return max(scored, key=lambda entry: entry.validation_accuracy or 0.0, default=None)


def find_sweeps(root: Path) -> list[Path]:
    """All folders of sweeps in and below a folder, by path."""
    found = [Path(folder) for folder, _, files in os.walk(root) if {TRIALS, TABLE} <= set(files)]
    return sorted(found)


def read_sweep(path: Path, name: str) -> TrialTable:
    """Reads a sweep.csv.

    Raises:
      DataError: if it is not what a sweep writes.
    """
    try:
        with path.open(newline="") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, str(error)) from None
    for column in COLUMNS:
        if column not in header:
            raise _damaged(path, f"no column {column!r}")
    for i, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _damaged(path, f"line {i} has {len(line)} cells of {len(header)}")
    fields = [column for column in header if column not in COLUMNS]
    entries = [_entry(dict(zip(header, line, strict=True)), fields, path) for line in lines]
    return TrialTable(name, entries, fields)


def _entry(cells: dict[str, str], fields: list[str], path: Path) -> Entry:
    accuracy = _value(cells["validation_accuracy"])
    if isinstance(accuracy, str):
        raise _damaged(path, f"trial {cells['id']} has the validation accuracy {accuracy!r}")
    return Entry(
        cells["id"],
        cells["status"],
        cells["steps"],
        cells["rung"],
        accuracy,
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


def _damaged(path: Path, found: str) -> DataError:
    return DataError(f"{path} is not the table of a sweep ({found}); run the sweep again")
