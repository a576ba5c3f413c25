"""Runs in the terminal: listed, filtered, sorted, and compared by what differs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from asrnn.console import duration, to_stderr
from asrnn.errors import AsrnnError, ConfigError, near_miss
from asrnn.reports.runs import Run, differing_fields, find_workdirs, read_readable, written
from asrnn.reports.sweep import read_sweep
from asrnn.runs.workdir import TRIALS
from asrnn.sweeps.folder import TABLE

COLUMNS: dict[str, Callable[[Run], Any]] = {
    "name": lambda run: run.name,
    "status": lambda run: run.status,
    "validation": lambda run: run.validation_score,
    "test": lambda run: run.test_score,
    "steps": lambda run: run.steps,
    "cell": lambda run: run.cell,
    "task": lambda run: run.task,
    "time": lambda run: run.summary.get("seconds"),
}
"""What is listed; on a narrow terminal the last columns are left out, but those asked for."""

SAME = {"task.name": "task", "model.cell": "cell"}
"""The config fields that are columns."""
SCORES = ("validation", "test")
WIDEST = 120  # where there is no terminal to fit into
AFTER_FIELDS = ("steps", "cell", "task", "time")
"""The columns behind the config fields that are asked for."""
FOLDED = 24  # a name or a field that is longer goes over several lines, where there is no room
NOTHING = "-"


def read_runs(
    root: Path, *, trials: bool = False, tell: Callable[[str], None] = to_stderr
) -> tuple[list[Run], int]:
    """The runs in and below a folder, and how many trials of sweeps are left out.

    Args:
      root: where; the trials of a sweep whose folder it is are runs.
      trials: whether those of the sweeps below are, too.
      tell: is given a line on each run that is damaged, and on each such table of a sweep.

    Raises:
      ConfigError: if there is no run.
      CheckpointError: if all runs are damaged.
    """
    found = find_workdirs(root)
    of_sweeps = [
        w for w in found if w != root and w.parent != root and (w.parent / TRIALS).exists()
    ]
    kept = found if trials or len(of_sweeps) == len(found) else sorted({*found} - {*of_sweeps})
    read = read_readable(kept, root, tell)
    folders = sorted({workdir.parent for workdir in read})
    pruned = {workdir for folder in folders for workdir in _pruned(folder, tell)}
    runs = [run._replace(pruned=workdir in pruned) for workdir, run in read.items()]
    return runs, len(found) - len(kept)


def _pruned(folder: Path, tell: Callable[[str], None]) -> list[Path]:
    """The workdirs of the trials that the sweep in a folder, if there is one, has ended early."""
    if not ((folder / TABLE).exists() and (folder / TRIALS).exists()):
        return []
    try:
        entries = read_sweep(folder / TABLE, folder.name).entries
    except AsrnnError as error:
        tell(f"which trials were pruned is not known: {error}")
        return []
    return [folder / entry.id for entry in entries if entry.status == "pruned"]


def filtered(runs: Sequence[Run], filters: Sequence[str]) -> list[Run]:
    """The runs for which all filters hold, such as "cell=lstm", "status!=done", "test>0.9".

    Raises:
      ConfigError: for one that cannot be understood, or a field that no run has.
    """
    for text in filters:
        name, operator, wanted = _condition(text)
        field = _field(runs, name)
        runs = [run for run in runs if OPERATORS[operator](_value(run, field), wanted)]
    return list(runs)


def _condition(text: str) -> tuple[str, str, str]:
    """Field, operator and value of a filter.

    Raises:
      ConfigError: for one that cannot be understood.
    """
    operator = next((it for it in OPERATORS if it in text), None)
    name, _, wanted = text.partition(operator) if operator else ("", "", "")
    if operator is None or not name:
        raise ConfigError(
            f"--filter={text} is not a condition; for example --filter=cell=lstm,"
            " --filter=status!=done or --filter='validation>0.9'"
        )
    return name, operator, wanted


def asked_for(runs: Sequence[Run], filters: Sequence[str], sort: str) -> list[str]:
    """The columns and config fields that the runs are filtered and sorted by.

    Raises:
      ConfigError: as `filtered` and `ordered`.
    """
    names = [_field(runs, name) for name in (*(_condition(text)[0] for text in filters), sort)]
    return list(dict.fromkeys(SAME.get(name, name) for name in names))


def _compare(holds: Callable[[float, float], bool]) -> Callable[[Any, str], bool]:
    def compare(value: Any, wanted: str) -> bool:
        try:
            limit = float(wanted)
        except ValueError:
            raise ConfigError(
                f"only numbers can be compared by < and >, found {wanted!r}"
            ) from None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and holds(value, limit)

    return compare


def _equal(value: Any, wanted: str) -> bool:
    try:
        return float(value) == float(wanted) and not isinstance(value, bool)
    except (TypeError, ValueError):
        return wanted in ((NOTHING, "") if value in (None, "") else (written(value),))


OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "!=": lambda value, wanted: not _equal(value, wanted),
    ">=": _compare(lambda a, b: a >= b),
    "<=": _compare(lambda a, b: a <= b),
    "=": _equal,
    ">": _compare(lambda a, b: a > b),
    "<": _compare(lambda a, b: a < b),
}


def ordered(runs: Sequence[Run], field: str) -> list[Run]:
    """The runs by a field: numbers and words rising, none last; scores best first within a task.

    Raises:
      ConfigError: for a field that no run has.
    """
    name = _field(runs, field)

    def key(run: Run) -> tuple[str, bool, bool, Any]:
        value, group = _value(run, name), ""
        if name in SCORES:
            value, group = None if value is None else run.objective.metric.cost(value), run.task
        number = isinstance(value, int | float)
        return group, value is None, not number, value if number else written(value)

    return sorted(runs, key=lambda run: (*key(run), run.name))


def _field(runs: Sequence[Run], name: str) -> str:
    """A column, or a config field by its whole name or the last part of it.

    Raises:
      ConfigError: if there is none, or several.
    """
    fields = sorted({field for run in runs for field in run.config})
    if not runs or name in COLUMNS or name in fields:
        return name
    meant = [field for field in fields if field.rpartition(".")[2] == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ConfigError(f"several fields are called {name!r}: {', '.join(meant)}; name one whole")
    hint = near_miss(name, [*COLUMNS, *fields])
    raise ConfigError(
        f"no run has a field {name!r}{hint}; there are {', '.join(COLUMNS)}, and"
        " the fields of their configs"
    )


def _value(run: Run, field: str) -> Any:
    return COLUMNS[field](run) if field in COLUMNS else run.config.get(field)


def as_json(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Each run as plain values; scores as fractions, the time in seconds."""
    return [
        {name: value(run) for name, value in COLUMNS.items()}
        | {"metric": run.objective.monitored, "config": run.config}
        for run in runs
    ]


def listing(runs: Sequence[Run], width: int, asked: Sequence[str] = ()) -> Table:
    """A line for each run, in as many columns as fit.

    Args:
      runs: at least one.
      width: to fit into.
      asked: columns and config fields that are shown whatever else fits, as the task is where the
        runs differ in it.
    """
    tasks = ["task"] if len({run.task for run in runs}) > 1 else []
    first = list(dict.fromkeys(["name", *tasks, *asked]))
    fields = [name for name in first if name not in COLUMNS]
    order = [name for name in COLUMNS if name not in AFTER_FIELDS] + fields + list(AFTER_FIELDS)
    heads = {name: name if name in COLUMNS else name.rpartition(".")[2] for name in order}
    cells = {name: [_text(run, name) for run in runs] for name in order}
    wide = {name: max(len(heads[name]), *map(len, cells[name])) for name in order}
    folds = {"name", *fields}
    kept: list[str] = []
    left = width
    for name in [*first, *(name for name in order if name not in first)]:
        needed = min(wide[name], FOLDED if name in folds else wide[name]) + 2
        if needed > left and name not in first:
            break
        kept.append(name)
        left -= needed
    table = _table()
    for name in sorted(kept, key=order.index):
        numbers = name in (*SCORES, "steps", "time")
        table.add_column(
            heads[name],
            justify="right" if numbers else "left",
            no_wrap=name not in folds,
            overflow="fold",
            min_width=None if name == "name" else min(wide[name], FOLDED),
        )
    for i in range(len(runs)):
        table.add_row(*(cells[name][i] for name in sorted(kept, key=order.index)))
    return table


def comparison(runs: Sequence[Run], width: int) -> Table:
    """The fields that differ, a column for each run, best first; as many runs as fit."""
    ranked = ordered(runs, "validation")
    fields = differing_fields([run.config for run in ranked])
    heads = ["", *(run.name for run in ranked)]
    rows = [
        *([name, *(_text(run, name) for run in ranked)] for name in ("status", *SCORES)),
        *([field, *(_config_text(run.config, field) for run in ranked)] for field in fields),
    ]
    first = max(len(row[0]) for row in rows) + 2
    table, left = _table(), width - first
    table.add_column("", no_wrap=True)
    shown = 0
    for i, head in enumerate(heads[1:], start=1):
        needed = max(*(len(row[i]) for row in rows), min(len(head), 12)) + 2
        if needed > left and shown:
            break
        table.add_column(head, overflow="fold", min_width=min(needed - 2, max(left - 2, 1)))
        left -= needed
        shown += 1
    for row in rows:
        table.add_row(*row[: shown + 1])
    if shown < len(ranked):
        table.caption = f"{len(ranked) - shown} more do not fit"
        table.caption_justify = "left"
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def _config_text(config: Mapping[str, Any], field: str) -> str:
    return (written(config[field]) if field in config else "") or NOTHING


def _text(run: Run, name: str) -> str:
    if name not in COLUMNS:
        return _config_text(run.config, name)
    value = COLUMNS[name](run)
    if value is None:
        return NOTHING
    if name in SCORES:
        return run.objective.metric.text(value)
    if name == "time":
        return duration(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_table(table_for: Callable[[int], Table]) -> None:
    """Prints a table as wide as the terminal; into a pipe, plain and at most `WIDEST` wide."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=WIDEST, color_system=None)
    console.print(table_for(console.width))
