"""What the page says of a sweep: its pictures, its best trials, and all of them folded away."""

from collections.abc import Sequence

from asrnn.reports.markup import (
    NOTHING,
    Cell,
    Markup,
    details,
    element,
    join,
    number,
    picture,
    table,
)
from asrnn.reports.parameter_scale import shown
from asrnn.reports.status import status_mark, tally
from asrnn.reports.sweep import Entry, TrialTable
from asrnn.reports.sweep_figures import sweep_pictures

BEST = 10


def sweep_section(sweep: TrialTable) -> Markup:
    """One sweep, its trials ranked by validation accuracy."""
    ranking = sorted(sweep.entries, key=lambda entry: -_score(entry))
    counts = tally([entry.status for entry in sweep.entries])
    best = sweep.best
    verdict = (
        "No trial has a validation accuracy yet."
        if best is None
        else f"The best trial by validation accuracy is {best.id} with"
        f" {best.validation_accuracy:.2%}; the test part has no say in it."
    )
    pictures = [picture(each.png, each.description) for each in sweep_pictures(sweep)]
    shown_first = ranking[:BEST]
    parts = [
        element("h3", sweep.name),
        element("p", f"{len(sweep.entries)} trials: {counts or 'none'}. {verdict}"),
        *pictures,
        _trials(f"The {len(shown_first)} best trials of {sweep.name}", shown_first, sweep.fields),
    ]
    if len(ranking) > BEST:
        caption = f"All {len(ranking)} trials of {sweep.name}"
        parts.append(details(caption, _trials(caption, ranking, sweep.fields)))
    return join(parts)


def _score(entry: Entry) -> float:
    unusable = entry.validation_accuracy is None or entry.status == "diverged"
    return -1.0 if unusable else float(entry.validation_accuracy or 0.0)


def _trials(caption: str, entries: Sequence[Entry], fields: Sequence[str]) -> Markup:
    rows = [
        [
            Cell(entry.id),
            Cell(status_mark(entry.status)),
            _as_written(entry.steps),
            _as_written(entry.rung),
            number(entry.validation_accuracy, ".2%"),
            *(_value(entry, name) for name in fields),
        ]
        for entry in entries
    ]
    return table(caption, ["trial", "status", "steps", "rung", "validation", *fields], rows)


def _value(entry: Entry, name: str) -> Cell:
    value = entry.values[name]
    if value is None:
        return Cell(NOTHING)
    return Cell(shown(value), value if isinstance(value, float) else None)


def _as_written(cell: str) -> Cell:
    return Cell(f"{int(cell):,d}", float(cell)) if cell.isdecimal() else Cell(cell or NOTHING)
