"""metrics.jsonl: one JSON object a line, appended and flushed, cut back on resuming.

Each has a `check`, the beginning of its sha256, so that no damage passes for a number.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asrnn.files import cannot_write, damaged, digest, parse_json, write_atomically
from asrnn.runs.loggers import Logger

Row = dict[str, Any]

CHECK = "check"
CHECK_DIGITS = 8


class Records:
    """The metrics of one run, in metrics.jsonl and wherever else they are logged.

    Args:
      path: the file; rows after `last_step` and rows of the final test are cut off, so
        that no step is recorded twice by a run that resumes.
      last_step: the step that the run resumes from.
      last_validated: the last step whose validation the run knows of.
      loggers: are given each row too, and closed with the file.

    Attributes:
      reaches: the step of the last training row that was kept, 0 if there is none.
      count: how many rows the file has, without those of the final test.

    Raises:
      CheckpointError: if the file is damaged or cannot be written.
    """

    def __init__(
        self, path: Path, last_step: int, last_validated: int, loggers: Sequence[Logger] = ()
    ):
        # A run that starts anew also writes the diagnostics of step 0 anew.
        diagnosed = last_step or -1
        last = {"train": last_step, "validation": last_validated, "diagnostics": diagnosed}
        kept = [row for row in read_rows(path) if row["step"] <= last.get(row["split"], -1)]
        self.count = sum(row["split"] != "test" for row in kept)
        self.reaches = max((row["step"] for row in kept if row["split"] == "train"), default=0)
        self._path = path
        self._loggers = loggers
        write_atomically(path, "".join(map(_line, kept)))
        try:
            self._file = path.open("ab", buffering=0)  # so that nothing is left to fail later
        except OSError as error:
            raise cannot_write(path, error) from None

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        for logger in self._loggers:
            logger.close()

    def write(self, row: Row) -> None:
        """Appends a row that has at least `step` and `split`."""
        line = _line(row).encode()
        try:
            if self._file.write(line) != len(line):
                raise OSError("the disk is full")
        except OSError as error:
            raise cannot_write(self._path, error) from None
        self.count += row["split"] != "test"
        for logger in self._loggers:
            logger.write(row)


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl, none if there is no file; a torn last line is dropped.

    Rows of earlier versions have no `check`; a file in which some have one and others have none is
    damaged, for a run that goes on writes all of them anew.

    Raises:
      CheckpointError: if the file cannot be read, or a whole line is not a row as it was written,
        which a kill cannot cause.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise damaged(path, str(error.strerror)) from None
    whole, torn = lines[:-1], lines[-1]
    rows, checked = [], set()
    for number, line in enumerate(whole, start=1):
        try:
            row = _parsed(line)
        except ValueError as error:
            of = len(whole) + bool(torn)
            raise damaged(path, f"line {number} of {of} is not a row: {error}") from None
        checked.add(row.pop(CHECK, None) is not None)
        rows.append(row)
    if len(checked) > 1:
        raise damaged(path, f"some rows have a {CHECK} and some have none")
    return rows


def count_rows(path: Path) -> int:
    """How many rows there are, without those of the final test; see `read_rows`."""
    return sum(row["split"] != "test" for row in read_rows(path))


def _parsed(line: bytes) -> Row:
    """A row with its check, if it has one; ValueError if it is not as it was written."""
    row = parse_json(line)
    if not isinstance(row, dict) or not {"step", "split"} <= row.keys():
        raise ValueError("no step or no split")
    if not isinstance(row["step"], int):
        raise ValueError(f"the step {row['step']!r}")
    if CHECK in row and row[CHECK] != _check(row):
        raise ValueError(f"its {CHECK} does not fit")
    return row


def _check(row: Row) -> str:
    return digest({name: it for name, it in row.items() if name != CHECK})[:CHECK_DIGITS]


def _line(row: Row) -> str:
    """JSON has no NaN: a value that is not finite becomes null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(finite | {CHECK: _check(finite)}, allow_nan=False) + "\n"
