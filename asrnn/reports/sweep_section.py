"""What the page says of a sweep: its pictures, its best trials, and all of them folded away."""

from collections.abc import Sequence

from asrnn.reports.markup import (
    NOTHING,
    Cell,
    Markup,
    details,
    element,
    join,
    picture,
    score,
    status_mark,
    table,
    tally,
)
from asrnn.reports.parameter_scale import shown
from asrnn.reports.sweep import Entry, TrialTable
from asrnn.reports.sweep_figures import sweep_pictures

BEST = 10


def sweep_section(sweep: TrialTable) -> Markup:
    """One sweep, the trials of its best settings first, as its own table ranks them."""
    ranking = [entry for setting in sweep.ranking for entry in setting.entries]
    counts = tally([entry.status for entry in sweep.entries])
    verdict = (
        "No setting of the last rung is done yet."
        if sweep.best is None
        else f"The best setting by validation {sweep.objective.monitored} has {sweep.best};"
        " the test part plays no role in it."
    )
    pictures = [picture(each.png, each.description) for each in sweep_pictures(sweep)]
    shown_first = ranking[:BEST]
    parts = [
        element("h3", sweep.name),
        element("p", f"{len(sweep.entries)} trials: {counts or 'none'}. {verdict}"),
        *pictures,
        _trials(
            f"The first {len(shown_first)} trials of {sweep.name}, best settings first",
            shown_first,
            sweep,
        ),
    ]
    if len(ranking) > BEST:
        caption = f"All {len(ranking)} trials of {sweep.name}"
        parts.append(details(caption, _trials(caption, ranking, sweep)))
    return join(parts)


def _trials(caption: str, entries: Sequence[Entry], sweep: TrialTable) -> Markup:
    rows = [
        [
            Cell(entry.id),
            Cell(status_mark(entry.status)),
            _as_written(entry.steps),
            _as_written(entry.rung),
            score(entry.score, sweep.objective.metric),
            *(_value(entry, name) for name in sweep.fields),
        ]
        for entry in entries
    ]
    return table(caption, ["trial", "status", "steps", "rung", "validation", *sweep.fields], rows)


def _value(entry: Entry, name: str) -> Cell:
    value = entry.values[name]
    if value is None:
        return Cell(NOTHING)
    return Cell(shown(value), value if isinstance(value, float) else None)


def _as_written(cell: str) -> Cell:
    return Cell(f"{int(cell):,d}", float(cell)) if cell.isdecimal() else Cell(cell or NOTHING)
