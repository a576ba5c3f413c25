"""Learning curves: of many runs in one pair of charts, and of one run with all its parts."""

from collections.abc import Mapping, Sequence

from asrnn.objectives import Metric, Objective
from asrnn.reports.chart import Axis, Line, Point, chart, log_axis, percent_axis, swatch
from asrnn.reports.markup import Markup, element, tally
from asrnn.reports.runs import Run

COLOURS = 6
"""How many runs are told apart by colour and dashes; the style sheet has hue-0 to hue-5."""
NAMED = 3
"""Of runs without a curve."""


def ranked(runs: Sequence[Run]) -> list[Run]:
    """Best validation first, those without one last; the runs have one objective."""
    return sorted(runs, key=lambda run: (run.objective.metric.cost(run.validation_score), run.name))


def curves_of_runs(runs: Sequence[Run]) -> Markup:
    """The metrics of the runs of one task and objective.

    Up to six runs each have a colour, a thick line for validation and a thin one for
    training. Of more, the six best by validation have one, and the others are grey
    lines behind them; only validation is drawn then. A run without validation, such as one
    without a validation part, is drawn by its training rows.
    """
    best = ranked(runs)
    few = len(runs) <= COLOURS
    drawn = [run for run in best if _has_curve(run)]
    styles = {run.name: f"hue-{i}" for i, run in enumerate(drawn[:COLOURS])}
    lines = {
        name: [
            line
            for run in reversed(best)
            for line in _lines(run, name, styles.get(run.name, "other"), few)
        ]
        for name in best[0].objective.metrics
    }
    if not any(line.points for line in lines["loss"]):
        return element("p", "No curve: no run has written a row.")
    leader = best[0]
    about = f"of {len(runs)} run{'s' * (len(runs) > 1)} of {leader.task} over steps"
    if leader.validation_score is not None:
        score = leader.objective.metric.text(leader.validation_score)
        about += f"; best validation {leader.objective.monitored} {score}, {leader.name}"
    return element(
        "figure",
        _charts(lines, leader.objective, about),
        element("figcaption", _legend(drawn, styles), *_notes(runs, few)),
    )


def curves_of_run(run: Run) -> Markup:
    """The metrics of one run in training, validation and test."""
    parts = {"train": "hue-0 train", "validation": "hue-1", "test": "hue-2"}
    lines = {
        name: [
            Line(split, _points(run, split, name), style, run.status == "diverged")
            for split, style in parts.items()
        ]
        for name in run.objective.metrics
    }
    if not any(line.points for line in lines["loss"]):
        return element("p", "No curve: the run has not written a row.")
    legend = [
        element("li", swatch(line.style, dot=len(line.points) == 1), line.name)
        for line in lines["loss"]
        if line.points
    ]
    return element(
        "figure",
        _charts(lines, run.objective, f"of {run.name} over steps"),
        element("figcaption", element("ul", *legend, class_="legend")),
    )


def _charts(lines: Mapping[str, Sequence[Line]], objective: Objective, about: str) -> Markup:
    """A chart of each metric, side by side."""
    drawn = [line for several in lines.values() for line in several]
    steps = max(int(line.points[-1][0]) for line in drawn if line.points)

    def axis(metric: Metric, values: Sequence[float]) -> Axis:
        return (
            percent_axis(metric.label, values) if metric.percent else log_axis(metric.label, values)
        )

    charts = [
        chart(
            f"{name.capitalize()} {about}", lines[name], steps, axis(metric, _values(lines[name]))
        )
        for name, metric in objective.metrics.items()
    ]
    return element("div", *charts, class_="pair")


def _has_curve(run: Run) -> bool:
    """Whether it has a row with its metrics: rows of diagnostics have none."""
    return any("loss" in row for row in run.rows)


def _lines(run: Run, name: str, style: str, few: bool) -> list[Line]:
    validation = _points(run, "validation", name)
    training = _points(run, "train", name)
    lost = run.status == "diverged"
    if few and validation:
        return [
            Line(f"{run.name}, training", training, f"{style} train"),
            Line(f"{run.name}, validation", validation, style, lost),
        ]
    if validation:
        return [Line(f"{run.name}, validation", validation, style, lost)]
    return [Line(f"{run.name}, training", training, f"{style} train", lost)]


def _points(run: Run, split: str, name: str) -> list[Point]:
    scale = 100 if run.objective.metrics[name].percent else 1
    return [(step, scale * value) for step, value in run.points(split, name)]


def _values(lines: Sequence[Line]) -> list[float]:
    return [value for line in lines for _, value in line.points]


def _legend(drawn: Sequence[Run], styles: dict[str, str]) -> Markup:
    items = [
        element("li", swatch(styles[run.name]), f"{run.name} {_score(run)}")
        for run in drawn[:COLOURS]
    ]
    others = len(drawn) - len(items)
    if others:
        items.append(element("li", swatch("other"), f"{others} other{'s' * (others > 1)}"))
    return element("ul", *items, class_="legend")


def _score(run: Run) -> str:
    score = run.validation_score
    return f"({run.status})" if score is None else run.objective.metric.text(score)


def _notes(runs: Sequence[Run], few: bool) -> list[Markup]:
    notes = ["Thick: validation; thin: training." if few else "Coloured: best by validation."]
    without = [run for run in runs if not _has_curve(run)]
    if without:
        named = ", ".join(f"{run.name} ({run.status} at step {run.steps})" for run in without)
        counted = tally([run.status for run in without])
        which = named if len(without) <= NAMED else counted
        notes.append(f"No curve, because there is no row yet: {which}.")
    if any(run.status == "diverged" and _has_curve(run) for run in runs):
        notes.append("A cross: the run diverged.")
    if any(value > 100 for run in runs for _, value in run.points("train", "loss")):
        notes.append("Losses above 100 are cut off.")
    return [element("p", " ".join(notes))]
