"""Reads the definition of a table: Python with TITLE and ROWS, one dict a row."""

from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from asrnn.errors import ConfigError, check_choice
from asrnn.shipped import FOLDER
from asrnn.sweeps.space import Overrides
from asrnn.sweeps.trials import Job, Trial, make_job
from asrnn.sweeps.user_file import call, run

QUICK: Overrides = {
    "model.hidden_size": 16,
    "task.validation_size": 500,
    "training.batch_size": 32,
    "training.steps": 100,
    "training.log_every": 20,
    "training.eval_every": 100,
    "training.checkpoint_every": 100,
}
"""What --quick changes in every run; it also takes only the first seed."""


class Row(NamedTuple):
    """One method on one task: what was published of it, and how to measure it again."""

    name: str
    """Of its runs and for --rows."""
    task: str
    method: str
    units: int
    paper: float | None = None
    """Test accuracy in %; None for what nobody published, as in the table of integrators."""
    printed_parameters: str = ""
    source: str = ""
    """Who published the number."""
    recipe: str = ""
    """`paper's` (its optimizers at a constant rate), `ours` (any, for the paper's network) or
    `beyond` (another network of no more parameters); empty: none is meant."""
    config: str | None = None
    """Config file and variant, from the checkout; None for what can only be cited."""
    overrides: Overrides | None = None
    steps: int | None = None
    """If not those of the config file."""
    seeds: tuple[int, ...] = ()


class Table(NamedTuple):
    """A table of the paper, or one beside it."""

    name: str
    title: str
    rows: tuple[Row, ...]


def read_table(name: str, folder: Path = FOLDER / "experiments") -> Table:
    """Reads experiments/<name>.py; like a config file it is Python: run those you trust.

    Raises:
      ConfigError: if it is missing or fails, or a row is not as `Row` says.
    """
    path = folder / f"{name}.py"
    found = run(_found(path))
    try:
        rows = tuple(Row(**{**fields, "seeds": _seeds(fields)}) for fields in found["ROWS"])
        title = str(found["TITLE"])
    except KeyError as error:
        raise ConfigError(f"{path} does not define {error}") from None
    except TypeError as error:
        raise ConfigError(f"{path} has a row that cannot be used: {error}") from None
    names = [row.name for row in rows]
    for row in rows:
        if names.count(row.name) > 1:
            raise ConfigError(f"{path} has two rows with the name {row.name!r}")
        if row.config is not None and not row.seeds:
            raise ConfigError(f"row {row.name!r} of {path} has a config and no seeds")
    return Table(name, title, rows)


def choose_rows(table: Table, names: list[str]) -> list[Row]:
    """The rows of these names, or all that can be run.

    Raises:
      ConfigError: for a name that no row that can be run has.
    """
    runnable = {row.name: row for row in table.rows if row.config is not None}
    for name in names:
        check_choice("--rows", name, runnable)
    return [runnable[name] for name in names or runnable]


def jobs_of(row: Row, folder: Path, *, quick: bool, data: Overrides) -> list[Job]:
    """The runs of a row, one a seed; none for a row that is only cited.

    Args:
      row: the row.
      folder: of all runs; a workdir in it is named after row and seed.
      quick: scales the runs down, in workdirs of their own.
      data: where the data are: `task.source`, `task.data_dir`.

    Raises:
      ConfigError: if its config file is missing or fails, or cannot take its overrides.
    """
    if row.config is None:
        return []
    base = _config(row.config)
    steps = {} if row.steps is None else {"training.steps": row.steps}
    overrides = steps | (row.overrides or {}) | (QUICK if quick else {}) | data
    trials = [
        Trial(f"{row.name}-seed{seed}", overrides | {"seed": seed})
        for seed in (row.seeds[:1] if quick else row.seeds)
    ]
    return [make_job(base, trial, folder / "quick" if quick else folder) for trial in trials]


def _config(name: str) -> ConfigDict:
    """The config of "configs/file.py:variant"."""
    file, _, variant = name.partition(":")
    config: ConfigDict = call(_found(FOLDER / file), "get_config(arg)", variant)
    return config


def _seeds(fields: dict[str, Any]) -> tuple[int, ...]:
    return tuple(fields.get("seeds", ()))


def _found(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(
            f"{path} not found; the definitions of the tables ship with asrnn: install it again"
        )
    return path
