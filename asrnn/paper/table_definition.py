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
    stages: tuple[str, ...] = ()
    """The configs of earlier runs, each of which gives the next one its first parameters; the last
    of them gives the row's own run its."""


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
        rows = tuple(Row(**fields | _tuples(fields)) for fields in found["ROWS"])
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


def stages_of(row: Row, folder: Path, *, quick: bool, data: Overrides) -> list[list[Job]]:
    """The runs of a row, one a seed in each stage; the last ones are its own.

    Args:
      row: the row; one that is only cited has no runs.
      folder: of all runs; a workdir in it is named after row, seed and stage.
      quick: scales the runs down, in workdirs of their own.
      data: where the data are: `task.source`, `task.data_dir`.

    Raises:
      ConfigError: if its config file is missing or fails, or cannot take its overrides.
    """
    if row.config is None:
        return [[]]
    folder = folder / "quick" if quick else folder
    seeds = row.seeds[:1] if quick else row.seeds
    found: list[list[Job]] = []
    for number, config in enumerate((*row.stages, row.config), 1):
        base, is_own = _config(config), number > len(row.stages)
        steps = {"training.steps": row.steps} if is_own and row.steps is not None else {}
        common = steps | (row.overrides or {}) | (QUICK if quick else {}) | data
        jobs = []
        for i, seed in enumerate(seeds):
            name = f"{row.name}-seed{seed}" + ("" if is_own else f"-stage{number}")
            source = {"training.init_from": str(found[-1][i].workdir)} if found else {}
            jobs.append(make_job(base, Trial(name, common | source | {"seed": seed}), folder))
        found.append(jobs)
    return found


def _config(name: str) -> ConfigDict:
    """The config of "configs/file.py:variant"."""
    file, _, variant = name.partition(":")
    config: ConfigDict = call(_found(FOLDER / file), "get_config(arg)", variant)
    return config


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(fields.get(name, ())) for name in ("seeds", "stages")}


def _found(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(
            f"{path} not found; the definitions of the tables ship with asrnn: install it again"
        )
    return path
