"""The tables of the page: what is in each cell, and by what a column is sorted."""

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

from asrnn.config import completed, flatten, read_fields
from asrnn.console import duration
from asrnn.errors import ConfigError
from asrnn.objectives import Metric
from asrnn.reports.page_data import by_setting, by_task
from asrnn.reports.parameter_scale import shown
from asrnn.reports.runs import ABSENT, Run, differing_fields, written
from asrnn.reports.sweep import Entry, TrialTable

NOTHING = "\N{EN DASH}"
"""What a cell without a value shows."""
COLUMNS_OF_THEIR_OWN = ("task.name", "model.cell")
"""Fields that the table of runs has a column for."""


class Cell(NamedTuple):
    """A cell of a table."""

    content: str = NOTHING
    order: float | None = None
    """What a column of numbers is sorted by."""
    kind: str = ""
    """"run", whose content is the name of a run to link to, "status", "code", or text."""


class Table(NamedTuple):
    """Rows below a header; the first cell of a row is its heading."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def numeric(self) -> list[bool]:
        """For each column, whether it is sorted by number."""
        return [any(row[i].order is not None for row in self.rows) for i in range(len(self.header))]


def number(value: float | None, shape: str) -> Cell:
    """A number written by a format such as ",.0f"."""
    return Cell() if value is None else Cell(format(value, shape), float(value))


def score(value: float | None, metric: Metric) -> Cell:
    """A value of a metric."""
    return Cell() if value is None else Cell(metric.text(value), float(value))


def time(seconds: float | None) -> Cell:
    """A duration."""
    return Cell() if seconds is None else Cell(duration(seconds), float(seconds))


def tally(states: Sequence[str]) -> str:
    """For example "5 done, 2 diverged", the most frequent first."""
    counts = sorted(Counter(states).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {status}" for status, count in counts)


def runs_table(runs: Sequence[Run]) -> Table:
    """A line for each run."""
    header = (
        *("run", "status", "validation", "test", "steps", "task", "cell", "parameters", "time"),
        *("recurrence", "device", "settings"),
    )
    rows = [
        [
            Cell(run.name, kind="run"),
            Cell(run.status, kind="status"),
            score(run.validation_score, run.objective.metric),
            score(run.test_score, run.objective.metric),
            number(run.steps, ",.0f"),
            Cell(run.task),
            Cell(run.cell),
            number(run.summary.get("num_parameters"), ",.0f"),
            time(run.summary.get("seconds")),
            Cell(_text(run, "backend")),
            Cell(_text(run, "device")),
            Cell(_settings(run, _settings_of(group)) or NOTHING),
        ]
        for group in by_task(runs)
        for run in group
    ]
    return Table("Runs, best validation first within each task", header, rows)


def seeds_table(runs: Sequence[Run]) -> Table | None:
    """Mean and standard deviation of settings that have several seeds; None if none has."""
    header = ("setting", "seeds", "validation", "test", "task", "cell", "settings")
    rows = [
        [
            Cell(group[0].name, kind="run"),
            Cell(", ".join(sorted((str(run.config.get("seed")) for run in group), key=_by_length))),
            _mean([run.validation_score for run in group], group[0].objective.metric),
            _mean([run.test_score for run in group], group[0].objective.metric),
            Cell(group[0].task),
            Cell(group[0].cell),
            Cell(_settings(group[0], set(_settings_of(alike)) - {"seed"}) or NOTHING),
        ]
        for alike in by_task(runs)
        for group in by_setting(alike)
        if len(group) > 1
    ]
    caption = "Settings with several seeds: mean ± standard deviation"
    return Table(caption, header, rows) if rows else None


def _by_length(seed: str) -> tuple[int, str]:
    return len(seed), seed


def _mean(values: Sequence[float | None], metric: Metric) -> Cell:
    """Over the seeds that have the score, and how many these are if not all."""
    known = [value for value in values if value is not None]
    if not known:
        return Cell()
    spread = f" ± {metric.text(stdev(known))}" if len(known) > 1 else ""
    some = "" if len(known) == len(values) else f" ({len(known)} of {len(values)})"
    return Cell(f"{metric.text(fmean(known))}{spread}{some}", fmean(known))


def trials_table(sweep: TrialTable, run_of: Callable[[str], str | None]) -> Table:
    """A line for each trial, those of the best settings first, as the sweep ranks them.

    Args:
      sweep: the trials.
      run_of: the name of the run of a trial, by the trial's id; None if it has not begun.
    """

    def heading(entry: Entry) -> Cell:
        name = run_of(entry.id)
        return Cell(entry.id) if name is None else Cell(name, kind="run")

    rows = [
        [
            heading(entry),
            Cell(entry.status, kind="status"),
            _as_written(entry.steps),
            _as_written(entry.rung),
            score(entry.score, sweep.objective.metric),
            *(
                Cell(shown(value), value if isinstance(value, float) else None)
                if value is not None
                else Cell()
                for value in (entry.values[name] for name in sweep.fields)
            ),
        ]
        for setting in sweep.ranking
        for entry in setting.entries
    ]
    header = ["trial", "status", "steps", "rung", "validation", *sweep.fields]
    return Table(f"Trials of {sweep.name}, best settings first", header, rows)


def differences(runs: Sequence[Run]) -> Table | None:
    """The fields that do not have one value in all configs; None if there are none."""
    fields = differing_fields([run.config for run in runs])
    if not fields:
        return None
    rows = [[Cell(run.name, kind="run"), *(_value(run, name) for name in fields)] for run in runs]
    return Table("Fields in which the configs differ", ["run", *fields], rows)


def shared_fields(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """The fields that have one value in all configs."""
    differing = differing_fields([run.config for run in runs])
    return [(name, value) for name, value in fields_of(runs[0]) if name not in differing]


def fields_of(run: Run) -> list[tuple[str, str]]:
    """The config of a run."""
    return [(name, written(value) or NOTHING) for name, value in sorted(run.config.items())]


def summary_of(run: Run) -> list[tuple[str, str]]:
    """What its summary.json says."""
    return [
        (name.removeprefix("versions."), written(value) or NOTHING)
        for name, value in run.summary.items()
    ]


def environments(runs: Sequence[Run]) -> Table | None:
    """Each combination of device, recurrence and versions; None if no run has ended."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        if run.summary:
            groups.setdefault(_environment(run), []).append(run)
    names = list(dict.fromkeys(name for key in groups for name, _ in key))
    rows = [
        [
            *(Cell(dict(key).get(name, NOTHING)) for name in names),
            number(len(group), "d"),
            number(_largest_memory(group), ",.0f"),
        ]
        for key, group in groups.items()
    ]
    header = [*names, "runs", "peak host memory (MiB)"]
    return Table("Devices and versions", header, rows) if rows else None


def command(run: Run, root: str) -> str:
    """The whole command that trains a run, or goes on with it, whatever its config file says.

    Args:
      run: which; its config may be of a version with other fields, and then has all of them.
      root: the folder that its name is relative to.
    """
    try:
        fields = read_fields(completed(run.config))
    except (ConfigError, TypeError, ValueError):
        fields = run.config
    words = [
        f"--config.{name}={written(value)}"
        for name, value in flatten(fields).items()
        if value != ""  # no config that ships sets a field that is empty by default
    ]
    workdir = root if root.rpartition("/")[2] == run.name else f"{root}/{run.name}"
    words = [f"--config={run.task}", *words, f"--workdir={workdir}"]
    return " ".join(["asrnn train", *map(shlex.quote, words)])


def _settings_of(runs: Sequence[Run]) -> list[str]:
    """The fields that differ among the runs of a task, but those with a column of their own."""
    names = differing_fields([run.config for run in runs])
    return [name for name in names if name not in COLUMNS_OF_THEIR_OWN]


def _settings(run: Run, fields: Collection[str]) -> str:
    """The fields that differ, by the last part of their names."""
    return ", ".join(
        f"{name.rpartition('.')[2]} {written(run.config[name]) or NOTHING}"
        for name in sorted(fields)
        if name in run.config
    )


def _value(run: Run, name: str) -> Cell:
    value: Any = run.config.get(name, ABSENT)
    if value is ABSENT:
        return Cell()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(written(value) or NOTHING, float(value) if is_number else None)


def _text(run: Run, name: str) -> str:
    return written(run.summary.get(name, NOTHING))


def _as_written(cell: str) -> Cell:
    return Cell(f"{int(cell):,d}", float(cell)) if cell.isdecimal() else Cell(cell or NOTHING)


def _environment(run: Run) -> tuple[tuple[str, str], ...]:
    versions = [
        (name.removeprefix("versions."), written(value))
        for name, value in run.summary.items()
        if name.startswith("versions.")
    ]
    return (("device", _text(run, "device")), ("recurrence", _text(run, "backend")), *versions)


def _largest_memory(runs: Sequence[Run]) -> float | None:
    peaks = [peak for run in runs if (peak := run.summary.get("peak_memory_bytes"))]
    return max(peaks) / 2**20 if peaks else None
