"""What the page shows of a folder of results: its tables, table*.json, and figures, *.png."""

import base64
from pathlib import Path
from typing import Any

from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import parse_json
from asrnn.reports.page_tables import Cell, Table, number, time

HEADER = (
    *("method", "task", "paper (%)", "ours (%)", "seeds", "parameters", "steps", "time"),
    *("hardware", "command"),
)


def results_tables(folder: Path) -> list[Table]:
    """The paper's tables as they were reproduced.

    Raises:
      ConfigError: if there is no such folder.
      CheckpointError: if a table is damaged.
    """
    if not folder.is_dir():
        raise ConfigError(f"--results={folder} is not a folder; give the folder with table*.json")
    return [_table(path) for path in sorted(folder.glob("table*.json"))]


def results_figures(folder: Path) -> list[tuple[str, str]]:
    """The figures in the folder: name, and PNG in base64.

    Raises:
      CheckpointError: if one cannot be read.
    """
    figures = []
    for path in sorted(folder.glob("*.png")):
        try:
            png = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None
        if not png.startswith(b"\x89PNG"):
            raise CheckpointError(f"{path} is not a PNG; remove it or draw it again")
        figures.append((path.stem.replace("_", " "), base64.b64encode(png).decode()))
    return figures


def _table(path: Path) -> Table:
    try:
        rows = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _damaged(path, "not a list of rows")
    try:
        cells = [_cells(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None
    return Table(path.stem.replace("_", " ").replace("-", " "), HEADER, cells)


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [
        Cell(str(row["method"])),
        Cell(str(row["task"])),
        number(row["paper"], ".1f"),
        _ours(row),
        _seeds(row["seeds"]),
        number(row["num_parameters"], ",.0f"),
        number(row["steps"], ",.0f"),
        time(row["seconds"]),
        Cell(str(row["hardware"])) if row["hardware"] else Cell(),
        Cell(str(row["command"]), kind="code") if row["command"] else Cell(),
    ]


def _ours(row: dict[str, Any]) -> Cell:
    """Mean and standard deviation over seeds; nothing for a row that was not run."""
    mean, std = row["mean"], row["std"]
    if mean is None:
        return Cell("cited") if row.get("cited") else Cell()
    spread = "" if std is None else f" ± {std:.2f}"
    return Cell(f"{mean:.2f}{spread}", float(mean))


def _seeds(seeds: Any) -> Cell:
    if seeds is None or seeds == []:
        return Cell()
    return Cell(", ".join(map(str, seeds)) if isinstance(seeds, list) else str(seeds))


def _damaged(path: Path, found: str) -> CheckpointError:
    return CheckpointError(f"{path} is not a table of results ({found}); make it again")
