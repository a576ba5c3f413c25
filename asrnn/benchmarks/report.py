"""The result of a benchmark: JSON for programs, tables for people."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from asrnn.benchmarks.cases import FLOOR, FORWARD_BACKWARD, TRAIN_STEP
from asrnn.benchmarks.environment import hardware
from asrnn.benchmarks.figure import draw_scaling
from asrnn.benchmarks.rows import Row
from asrnn.benchmarks.table import Table, as_markdown, as_text
from asrnn.errors import CheckpointError

LEGEND = (
    "Median and min are milliseconds for one batch. 'Faster than' is their median over this one,"
    " 'over floor' this median over that of one large matrix product with the same operations,"
    " 'over recurrence' this median over that of forward+backward alone. On a GPU 'us/step' is the"
    " median over the T time steps, in microseconds."
)

PEERS = ("scan", "torch-rnn", "torch-lstm")

Medians = dict[tuple[str, str], float]
"""(work, system) -> milliseconds, within one case and cell."""


class Report:
    """Rows as they come, and the files that hold them.

    Args:
      environment: on what they are measured.
      path: the JSON file, rewritten with each addition; None for none.
    """

    def __init__(self, environment: dict[str, Any], path: Path | None):
        self.environment = environment
        self.path = path
        self.rows: list[Row] = []
        self.scaling: list[Row] = []
        self.population: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Takes the rows of a case and cell."""
        self.rows += rows
        self.write()

    def add_scaling(self, rows: Sequence[Row]) -> None:
        """Takes the rows of one of the growing shapes."""
        self.scaling += rows
        self.write()

    def add_population(self, rows: Sequence[Row]) -> None:
        """Takes the rows of one case and cell alone and in populations."""
        self.population += rows
        self.write()

    def tables(self) -> list[Table]:
        """All tables in the order of their rows."""
        growing = [scaling_table(self.scaling)] if self.scaling else []
        of_cases = case_tables(self.rows, per_step="gpu" in self.environment)
        return [*of_cases, *growing, *population_tables(self.population)]

    def text(self) -> str:
        """The tables for a terminal of 100 columns."""
        return "\n\n".join([*map(as_text, self.tables()), LEGEND])

    def markdown(self) -> str:
        """The tables for a page, with the command and what it ran on."""
        about = self.environment
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        head = f"`{about['command']}`\n\n{about['date']}, {hardware(about)}"
        parts = [f"{head}; {versions}.", LEGEND, *map(as_markdown, self.tables())]
        return "\n\n".join(parts) + "\n"

    def write(self) -> None:
        """Writes JSON and Markdown.

        Raises:
          CheckpointError: if they cannot be written.
        """
        if self.path is None:
            return
        content = {
            "environment": self.environment,
            "rows": self.rows + self.scaling + self.population,
        }
        try:
            self.path.write_text(json.dumps(content, indent=1) + "\n")
            self.path.with_suffix(".md").write_text(self.markdown())
        except OSError as error:
            raise CheckpointError(
                f"--out={self.path} cannot be written: {error.strerror}; give another"
            ) from None

    def draw(self) -> Path | None:
        """Draws the growing shapes beside the JSON; None if there is nothing to draw."""
        if self.path is None or not self.scaling:
            return None
        return draw_scaling(self.scaling, self.path.with_suffix(".png"))


def case_tables(rows: Iterable[Row], *, per_step: bool = False) -> list[Table]:
    """A table for each case, cell and kind of work; with a column for a time step, if wanted."""
    found = []
    for _, group in groupby(rows, key=lambda row: (row["case"], row["cell"])):
        of_case = list(group)
        medians = {(row["work"], row["system"]): row["median_ms"] for row in of_case}
        for _, part in groupby(of_case, key=lambda row: row["work"]):
            found.append(_case_table(list(part), medians, per_step))
    return found


def population_tables(rows: Iterable[Row]) -> list[Table]:
    """A table for each case and cell: the time of an update of a member, by system and size."""
    found = []
    for _, group in groupby(rows, key=lambda row: (row["case"], row["cell"])):
        of_case = list(group)
        alone = {row["system"]: row for row in of_case if row["members"] == 1}
        title = (
            f"{_subject(of_case[0])}: an update of one member, median ms on the clock and of cpu"
        )
        body = [
            [
                row["system"],
                str(row["members"]),
                small(row["median_ms"]),
                _ratio(alone[row["system"]]["median_ms"], row["median_ms"], "x"),
                digits(row["cpu_ms"]),
                _ratio(alone[row["system"]]["cpu_ms"], row["cpu_ms"], "x"),
                _ratio(row["compile_seconds"], 1),
            ]
            for row in of_case
        ]
        header = ["system", "members", "median", "faster than alone", "cpu"]
        header += ["cheaper than alone", "compile s"]
        found.append(Table(title, header, body))
    return found


def scaling_table(rows: Sequence[Row]) -> Table:
    """A line for each shape, a column for each system."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    body = [
        [shape, *(small(row["median_ms"]) for row in group)]
        for shape, group in groupby(rows, key=lambda row: row["case"])
    ]
    title = f"{FORWARD_BACKWARD} over growing T, B and n, {rows[0]['cell']}, median ms"
    return Table(title, ["shape", *systems], body)


def _case_table(rows: list[Row], medians: Medians, per_step: bool) -> Table:
    entries = [_entries(row, medians, per_step) for row in rows]
    shown = [heading for heading in entries[0] if any(line[heading] for line in entries)]
    return Table(
        _subject(rows[0]),
        shown,
        [[line[heading] for heading in shown] for line in entries],
    )


def _subject(row: Row) -> str:
    shape = ", ".join(f"{letter} {size}" for letter, size in row["shape"].items())
    return f"{row['case']}, {row['cell']}, {row['work']} ({shape})"


def _entries(row: Row, medians: Medians, per_step: bool) -> dict[str, str]:
    """A line of a table by its headings; "" where there is nothing to say."""
    own, work, system = row["median_ms"], row["work"], row["system"]
    entries = {"system": system, "median": small(own), "min": small(row["min_ms"])}
    entries["us/step"] = small(1000 * own / row["shape"]["T"]) if per_step else ""
    for peer in PEERS:
        entries[f"faster than {peer}"] = _ratio(medians.get((work, peer)), own, "x")
    entries["over floor"] = _ratio(own, medians.get((work, FLOOR)))
    recurrence = medians.get((FORWARD_BACKWARD, system)) if work == TRAIN_STEP else None
    entries["over recurrence"] = _ratio(own, recurrence)
    if system == FLOOR:
        entries = dict.fromkeys(entries, "") | {k: entries[k] for k in ("system", "median", "min")}
    entries["compile s"] = _ratio(row["compile_seconds"], 1)
    entries["peak MiB"] = _ratio(row["peak_memory_bytes"], 2**20)
    return entries


def _ratio(above: float | None, below: float | None, unit: str = "") -> str:
    return "" if above is None or below is None else digits(above / below) + unit


def small(number: float) -> str:
    """A time, which on a GPU may be a fraction of its unit: three digits below one too."""
    return f"{number:.3f}" if number < 1 else digits(number)


def digits(number: float) -> str:
    """Three digits, and all of those before the point."""
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{decimals}f}"
