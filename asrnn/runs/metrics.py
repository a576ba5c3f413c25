"""metrics.jsonl: one JSON object a line, appended and flushed, cut back on resuming."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asrnn.files import cannot_write, damaged, parse_json, write_atomically
from asrnn.runs.loggers import Logger

Row = dict[str, Any]


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
        for logger in self._loggers:
            logger.write(row)


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl, none if there is no file; a torn last line is dropped.

    Raises:
      CheckpointError: if the file cannot be read, or a line before the last is not a row,
        which a kill cannot cause.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise damaged(path, str(error.strerror)) from None
    rows = []
    for number, line in enumerate(lines, start=1):
        row = _parsed(line)
        if row is not None and not isinstance(row["step"], int):
            raise damaged(path, f"line {number} has the step {row['step']!r}")
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            raise damaged(path, f"line {number} of {len(lines)} is not a row")
    return rows


def _parsed(line: bytes) -> Row | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"step", "split"} <= row.keys() else None


def _line(row: Row) -> str:
    """JSON has no NaN: a value that is not finite becomes null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(finite, allow_nan=False) + "\n"
