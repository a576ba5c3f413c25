"""The paper's tables beside ours: rows of results -> Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from asrnn.console import duration
from asrnn.dynamics import CELLS, Ode
from asrnn.files import sealed

Row = Mapping[str, Any]
"""A row as `asrnn.paper.table_results` makes it; accuracies in %, None: not measured."""

COLUMNS = (
    *("task", "method", "recipe", "paper", "ours", "runs (seeds)", "validation", "units"),
    *("parameters", "printed", "steps", "time of a run", "hardware"),
)
SETTINGS = {
    "σ_w": "model.init_scale",
    "V": "model.input_scale",
    "optimizer": "optimizer.name",
    "rate": "optimizer.learning_rate",
}
ODE_SETTINGS = {"ε": "model.step_size", "γ": "model.diffusion"} | SETTINGS
QUICK = "quick check, scaled down: no results"


def markdown_table(title: str, rows: Sequence[Row]) -> str:
    """The table for people, with the command of every row that was measured below it."""
    sources = list(dict.fromkeys(row["source"] for row in rows if row["paper"] is not None))
    lines = [
        *heading(title, rows),
        "",
        "Test accuracy in %. Ours: mean ± sample standard deviation over seeds, of the parameters"
        " with the best validation accuracy; empty: not measured. *cited*: a number that the paper"
        " took from elsewhere, not run here.",
        "",
        line(COLUMNS),
        line(["---"] * len(COLUMNS)),
        *(line(_cells(row, sources)) for row in rows),
        "",
        *(f"{number}. {source}" for number, source in enumerate(sources, 1)),
    ]
    measured = [row for row in rows if row["runs"]]
    if measured:
        lines += ["", "Made with (and with the flags that say where the data are):", ""]
        lines += [f"- `{row['command']}` ({_settings(row)})" for row in measured]
    return "\n".join(lines) + "\n"


def csv_table(rows: Sequence[Row]) -> str:
    """All fields but the settings and the runs one by one; lists are separated by spaces."""
    names = [name for name in rows[0] if name not in ("settings", "runs")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = (row[name] for name in names)
        writer.writerow([" ".join(map(str, v)) if isinstance(v, list) else v for v in values])
    return text.getvalue()


def json_table(rows: Sequence[Row]) -> str:
    """The rows, for programs, and for this command to keep what is not there any more."""
    sealed_rows = [sealed(row) for row in rows]
    return json.dumps(sealed_rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _cells(row: Row, sources: Sequence[str]) -> list[str]:
    mark = "*cited* " if row["cited"] else ""
    published = ""
    if row["paper"] is not None:
        published = f"{row['paper']:.1f} {mark}[{sources.index(row['source']) + 1}]"
    measured = row["mean"] is not None
    return [
        row["task"],
        row["method"],
        row["recipe"],
        published,
        accuracy_text(row),
        seeds_text(row["seeds"]),
        "" if row["validation_accuracy"] is None else f"{row['validation_accuracy']:.2f}",
        f"{row['units']}",
        "" if row["num_parameters"] is None else f"{row['num_parameters']:,}",
        row["printed_parameters"],
        "" if row["steps"] is None else f"{row['steps']:,}",
        "" if row["seconds"] is None else duration(row["seconds"]),
        row["hardware"] if measured else "",
    ]


def seeds_text(seeds: Sequence[int]) -> str:
    """How many runs there were, and of which seeds: "3 (0, 1, 2)"; nothing for none."""
    return f"{len(seeds)} ({', '.join(map(str, seeds))})" if seeds else ""


def accuracy_text(row: Row) -> str:
    """Mean and deviation of the test accuracy, and how many runs diverged."""
    parts = []
    if row["mean"] is not None:
        spread = "" if row["std"] is None else f" ± {row['std']:.2f}"
        parts.append(f"**{row['mean']:.2f}**{spread}")
    if row["diverged"]:
        parts.append(f"({len(row['diverged'])} of {len(row['runs'])} diverged)")
    return " ".join(parts)


def _settings(row: Row) -> str:
    names = ODE_SETTINGS if isinstance(CELLS[row["cell"]], Ode) else SETTINGS
    return ", ".join(f"{label} {row['settings'][name]}" for label, name in names.items())


def heading(title: str, rows: Sequence[Row]) -> list[str]:
    """The title, and that these are no results if they are not."""
    return [f"# {title} ({QUICK})" if any(row["quick"] for row in rows) else f"# {title}"]


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"
