"""What the page says of its runs: the table, curves, configs, and what they ran on."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from asrnn.console import duration
from asrnn.reports.curves import curves_of_run, curves_of_runs, ranked
from asrnn.reports.diagnostics import diagnostics
from asrnn.reports.markup import (
    NOTHING,
    Cell,
    Markup,
    definitions,
    details,
    element,
    join,
    number,
    score,
    status_mark,
    table,
    tally,
)
from asrnn.reports.runs import ABSENT, Run, differing_fields, written

COLUMNS_OF_THEIR_OWN = ("task.name", "model.cell")
"""Fields that the table of runs has a column for."""
MANY = 12


def by_task(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each task and objective, best validation first."""

    def key(run: Run) -> tuple[str, str]:
        return run.task, run.objective.name

    return [ranked(list(group)) for _, group in groupby(sorted(runs, key=key), key=key)]


def overview(runs: Sequence[Run]) -> Markup:
    """How many runs there are, and the best of each task."""
    counts = tally([run.status for run in runs])
    cards = [_card(f"run{'s' * (len(runs) != 1)}", str(len(runs)), counts)]
    for group in by_task(runs):
        best = group[0]
        if best.validation_score is None:
            continue
        monitored, metric = best.objective.monitored, best.objective.metric
        tested = best.test_score
        test = "" if tested is None else f"; its test {monitored}: {metric.text(tested)}"
        name = f"best validation {monitored}, {best.task}"
        value = metric.text(best.validation_score)
        cards.append(_card(name, value, join([_link(best), test])))
    return element("ul", *cards, class_="cards")


def runs_table(runs: Sequence[Run]) -> Markup:
    """A line for each run."""
    fields = [
        name
        for name in differing_fields([run.config for run in runs])
        if name not in COLUMNS_OF_THEIR_OWN
    ]
    header = (
        *("run", "status", "validation", "test", "steps", "task", "cell"),
        *("parameters", "time", "recurrence", "device"),
        *(["settings"] if fields else []),
    )
    rows = [
        [
            Cell(_link(run)),
            Cell(status_mark(run.status)),
            score(run.validation_score, run.objective.metric),
            score(run.test_score, run.objective.metric),
            number(run.steps, ",.0f"),
            Cell(run.task),
            Cell(run.cell),
            number(run.summary.get("num_parameters"), ",.0f"),
            _time(run.summary.get("seconds")),
            Cell(_text(run, "backend")),
            Cell(_text(run, "device")),
            *([Cell(_settings(run, fields))] if fields else []),
        ]
        for group in by_task(runs)
        for run in group
    ]
    return table("Runs, best validation first within each task", header, rows)


def curves(runs: Sequence[Run]) -> Markup:
    """A pair of charts for each task."""
    groups = by_task(runs)
    return join(
        [
            part
            for group in groups
            for part in (
                *([element("h3", group[0].task)] if len(groups) > 1 else []),
                curves_of_runs(group),
            )
        ]
    )


def gradients(runs: Sequence[Run]) -> Markup:
    """What the runs recorded of gradients through time, if any did."""
    return diagnostics([run for group in by_task(runs) for run in group])


def differences(runs: Sequence[Run]) -> Markup:
    """The fields that differ as columns; the others once."""
    configs = [run.config for run in runs]
    fields = differing_fields(configs)
    shared = {name: value for name, value in sorted(configs[0].items()) if name not in fields}
    parts = []
    if fields:
        rows = [[Cell(_link(run)), *(_value(run, name) for name in fields)] for run in runs]
        parts.append(table("Fields in which the configs differ", ["run", *fields], rows))
    elif len(runs) > 1:
        parts.append(element("p", "All configs are equal."))
    title = f"{len(shared)} fields that all runs share" if len(runs) > 1 else "All fields"
    parts.append(details(title, _fields(shared)))
    return join(parts)


def environments(runs: Sequence[Run]) -> Markup:
    """Each combination of device, recurrence and versions, and how many runs had it."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        if run.summary:
            groups.setdefault(_environment(run), []).append(run)
    if not groups:
        return element("p", "Not known: no run has ended yet.")
    names = list(dict.fromkeys(name for key in groups for name, _ in key))
    rows = [
        [
            Cell(dict(key).get("device", NOTHING)),
            *(Cell(dict(key).get(name, NOTHING)) for name in names if name != "device"),
            number(len(group), "d"),
            _largest_memory(group),
        ]
        for key, group in groups.items()
    ]
    header = ["device", *(n for n in names if n != "device"), "runs", "peak host memory (MiB)"]
    return table("Devices and versions", header, rows)


def each_run(runs: Sequence[Run]) -> Markup:
    """All there is about each run, folded away; many runs once more."""
    parts = [_one_run(run) for group in by_task(runs) for run in group]
    return join(parts) if len(parts) <= MANY else details(f"All {len(parts)} runs", *parts)


def _one_run(run: Run) -> Markup:
    outcome = [
        (name.removeprefix("versions."), written(value)) for name, value in run.summary.items()
    ]
    return details(
        join([f"{run.name} ", status_mark(run.status)]),
        curves_of_run(run),
        element("h3", "Summary"),
        definitions(outcome) if outcome else element("p", "None yet: the run has not ended."),
        element("h3", "Config"),
        _fields(run.config),
        id=_anchor(run),
    )


def _card(name: str, value: str, below: str) -> Markup:
    return element(
        "li", element("span", name), element("strong", value), element("span", below, class_="soft")
    )


def _anchor(run: Run) -> str:
    return f"run:{run.name}"


def _link(run: Run) -> Markup:
    return element("a", run.name, href=f"#{_anchor(run)}")


def _settings(run: Run, fields: Sequence[str]) -> str:
    """The fields that differ, by the last part of their names."""
    return ", ".join(
        f"{name.rpartition('.')[2]} {written(run.config[name])}"
        for name in fields
        if name in run.config
    )


def _value(run: Run, name: str) -> Cell:
    value: Any = run.config.get(name, ABSENT)
    if value is ABSENT:
        return Cell(NOTHING)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(written(value), float(value) if is_number else None)


def _time(seconds: float | None) -> Cell:
    return Cell(NOTHING) if seconds is None else Cell(duration(seconds), float(seconds))


def _text(run: Run, name: str) -> str:
    return written(run.summary.get(name, NOTHING))


def _fields(config: dict[str, Any]) -> Markup:
    return definitions([(name, written(value)) for name, value in sorted(config.items())])


def _environment(run: Run) -> tuple[tuple[str, str], ...]:
    versions = [
        (name.removeprefix("versions."), written(value))
        for name, value in run.summary.items()
        if name.startswith("versions.")
    ]
    return (("device", _text(run, "device")), ("recurrence", _text(run, "backend")), *versions)


def _largest_memory(runs: Sequence[Run]) -> Cell:
    peaks = [
        run.summary["peak_memory_bytes"] for run in runs if run.summary.get("peak_memory_bytes")
    ]
    return number(max(peaks) / 2**20 if peaks else None, ",.0f")
