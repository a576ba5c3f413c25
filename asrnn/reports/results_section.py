"""What the page shows of a folder of results: its tables, table*.json, and figures, *.png."""

from pathlib import Path
from typing import Any

from asrnn.console import duration
from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import parse_json
from asrnn.reports.markup import NOTHING, Cell, Markup, element, join, number, picture, table

Row = dict[str, Any]

HEADER = (
    *("method", "task", "paper (%)", "ours (%)", "seeds", "parameters", "steps", "time"),
    *("hardware", "command"),
)


def results_tables(folder: Path) -> list[Markup]:
    """The paper's tables as they were reproduced.

    Raises:
      ConfigError: if there is no such folder.
      CheckpointError: if a table is damaged.
    """
    if not folder.is_dir():
        raise ConfigError(f"--results={folder} is not a folder; give the folder with table*.json")
    return [_table(path) for path in sorted(folder.glob("table*.json"))]


def results_figures(folder: Path) -> list[Markup]:
    """The figures in the folder, each below its name.

    Raises:
      CheckpointError: if one cannot be read.
    """
    parts = []
    for path in sorted(folder.glob("*.png")):
        try:
            png = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None
        if not png.startswith(b"\x89PNG"):
            raise CheckpointError(f"{path} is not a PNG; remove it or draw it again")
        name = path.stem.replace("_", " ")
        parts.append(join([element("h3", name), picture(png, f"Figure: {name}")]))
    return parts


def _table(path: Path) -> Markup:
    try:
        rows = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _damaged(path, "not a list of rows")
    name = path.stem.replace("_", " ").replace("-", " ")
    try:
        body = [_cells(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None
    return join([element("h3", name), table(name, HEADER, body)])


def _cells(row: Row) -> list[Cell]:
    seconds = row["seconds"]
    return [
        Cell(str(row["method"])),
        Cell(str(row["task"])),
        number(row["paper"], ".1f"),
        _ours(row),
        _seeds(row["seeds"]),
        number(row["num_parameters"], ",.0f"),
        number(row["steps"], ",.0f"),
        Cell(NOTHING) if seconds is None else Cell(duration(seconds), float(seconds)),
        _text(row["hardware"]),
        Cell(element("code", row["command"])) if row["command"] else Cell(NOTHING),
    ]


def _ours(row: Row) -> Cell:
    """Mean and standard deviation over seeds; nothing for a row that was not run."""
    mean, std = row["mean"], row["std"]
    if mean is None:
        return Cell("cited" if row.get("cited") else NOTHING)
    spread = "" if std is None else f" ± {std:.2f}"
    return Cell(f"{mean:.2f}{spread}", float(mean))


def _seeds(seeds: Any) -> Cell:
    if seeds is None or seeds == []:
        return Cell(NOTHING)
    return Cell(", ".join(map(str, seeds)) if isinstance(seeds, list) else str(seeds))


def _text(value: Any) -> Cell:
    return Cell(str(value) if value else NOTHING)


def _damaged(path: Path, found: str) -> CheckpointError:
    return CheckpointError(f"{path} is not a table of results ({found}); make it again")
