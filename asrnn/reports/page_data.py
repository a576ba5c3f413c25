"""What the charts of the page draw, as plain values that go into it as JSON."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from asrnn.objectives import Metric
from asrnn.reports.parameter_scale import make_scale, shown
from asrnn.reports.runs import Run
from asrnn.reports.sweep import TrialTable
from asrnn.reports.sweep_figures import varying_fields
from asrnn.reports.ticks import linear_ticks
from asrnn.runs.metrics import Row

MOST_ROWS = 1000
DIAGNOSTICS = "diagnostics"
MEASURED = {
    "learning_rate": Metric("learning rate", "lower"),
    "grad_norm": Metric("norm of the gradient", "lower"),
    "examples_per_second": Metric("examples per second", "higher"),
}
"""What training rows have beside the metrics of the objective."""
NO_SCORE = "none"

Json = dict[str, Any]


def ranked(runs: Sequence[Run]) -> list[Run]:
    """Best validation first, those without one last; the runs have one objective."""
    return sorted(runs, key=lambda run: (run.objective.metric.cost(run.validation_score), run.name))


def by_task(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs of each task and objective, best validation first."""

    def key(run: Run) -> tuple[str, str]:
        return run.task, run.objective.name

    return [ranked(list(group)) for _, group in groupby(sorted(runs, key=key), key=key)]


def by_setting(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs that differ in nothing but the seed, in the order of the first of each."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        setting = {name: value for name, value in run.config.items() if name != "seed"}
        groups.setdefault(repr(sorted(setting.items())), []).append(run)
    return list(groups.values())


def run_data(runs: Sequence[Run]) -> list[Json]:
    """The rows of each run by part, and the number of its setting."""
    groups = by_setting(runs)
    settings = {run.name: i for i, group in enumerate(groups) for run in group}
    return [
        {
            "name": run.name,
            "status": run.status,
            "setting": settings[run.name],
            "parts": _parts(run, groups[settings[run.name]]),
        }
        for run in runs
    ]


def metric_data(run: Run) -> list[Json]:
    """What can be drawn of a run and its like, the monitored metric first."""
    objective = run.objective
    names = sorted(objective.metrics, key=lambda name: name != objective.monitored)
    metrics = {name: objective.metrics[name] for name in names} | MEASURED
    return [
        {"name": name, "label": metric.label, "percent": metric.percent}
        for name, metric in metrics.items()
        if any(name in row for row in run.rows)
    ]


def _parts(run: Run, seeds: Sequence[Run]) -> dict[str, dict[str, list[float | None]]]:
    """{part: {column: values}}, with the columns "step", "examples" and "seconds" in each.

    Args:
      run: whose rows.
      seeds: the runs of its setting, which keep the same steps, so that the page can average them.
    """
    batch = run.config.get("training.batch_size", 0)
    steps, seconds = _clock(run)
    found: dict[str, dict[str, list[float | None]]] = {}
    for part in dict.fromkeys(str(row["split"]) for row in run.rows):
        own, *others = (
            [row for row in one.rows if row["split"] == part]
            for one in (run, *(seed for seed in seeds if seed is not run))
        )
        rows = spaced_rows(own, max(map(len, others))) if others else kept_rows(own)
        names = sorted({name for row in rows for name in row} - {"split"})
        columns = {name: [_short(row.get(name)) for row in rows] for name in names}
        at = [row["step"] for row in rows]
        found[part] = columns | {
            "step": at,
            "examples": [batch * step for step in at],
            "seconds": [_short(float(value)) for value in np.interp(at, steps, seconds)],
        }
    return found


def _clock(run: Run) -> tuple[list[float], list[float]]:
    """Steps, and the seconds of training until then, from the speed that the rows tell."""
    batch, steps, seconds = run.config.get("training.batch_size", 0), [0.0], [0.0]
    for step, speed in run.points("train", "examples_per_second"):
        if speed > 0:
            seconds.append(seconds[-1] + (step - steps[-1]) * batch / speed)
            steps.append(step)
    return steps, seconds


def kept_rows(rows: Sequence[Row], most: int = MOST_ROWS) -> list[Row]:
    """At most about as many rows, in order: of each stretch those with an extreme of a column."""
    names = {name for row in rows[:1] for name in row} - {"step", "split"}
    stretches = max(most // (2 * max(len(names), 1)), 1)
    if len(rows) <= most:
        return list(rows)
    kept = {0, len(rows) - 1}
    for places in np.array_split(np.arange(len(rows)), stretches):
        for name in names:
            known = [i for i in places if _short(rows[i].get(name)) is not None]
            if known:
                kept |= {min(known, key=lambda i: rows[i][name])}
                kept |= {max(known, key=lambda i: rows[i][name])}
    return [rows[i] for i in sorted(kept)]


def spaced_rows(rows: Sequence[Row], longest: int, most: int = MOST_ROWS) -> list[Row]:
    """Every k-th row and the last, with the k that leaves about `most` rows of the longest run."""
    stride = max(len(rows), longest) // most + 1
    return [row for i, row in enumerate(rows) if i % stride == 0 or i == len(rows) - 1]


def _short(value: Any) -> float | None:
    """Five digits: the JSON is read by a chart. None for what is no finite number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.5g}")


def sweep_data(sweep: TrialTable) -> Json:
    """The trials by their places on the scale of each field, and their scores."""
    metric = sweep.objective.metric
    factor = 100 if metric.percent else 1
    scores = [None if e.score is None else factor * e.score for e in sweep.entries]
    best = [] if sweep.best is None else sweep.best.entries
    return {
        "label": f"validation {metric.label}",
        "ids": [entry.id for entry in sweep.entries],
        "status": [entry.status for entry in sweep.entries],
        "scores": scores,
        "better": metric.better,
        "best": [entry in best for entry in sweep.entries],
        "settings": [
            ", ".join(f"{name} {shown(value)}" for name, value in entry.values.items())
            for entry in sweep.entries
        ],
        "fields": [_field(sweep, name) for name in (varying_fields(sweep) if sweep.fields else [])],
        "score": _score_axis(scores, upwards=metric.better == "higher"),
    }


def _field(sweep: TrialTable, name: str) -> Json:
    values = [entry.values[name] for entry in sweep.entries]
    scale = make_scale(values, sweep.scales.get(name))
    return {
        "label": name + (" (log)" if scale.log else ""),
        "places": [round(scale.position(value), 4) for value in values],
        "ticks": [place for place, _ in scale.ticks],
        "texts": [text for _, text in scale.ticks],
    }


def _score_axis(scores: Sequence[float | None], *, upwards: bool) -> Json:
    """The scores from 0.1 to 1, the best on top; 0 for none."""
    known = [score for score in scores if score is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)

    def place(score: float) -> float:
        fraction = (score - low) / (high - low) if high > low else 0.5
        return round(0.1 + 0.9 * (fraction if upwards else 1 - fraction), 4)

    ticks = [(place(tick), f"{tick:g}") for tick in linear_ticks(low, high)] if known else []
    if len(known) < len(scores):
        ticks.append((0.0, NO_SCORE))
    return {
        "places": [0.0 if score is None else place(score) for score in scores],
        "ticks": [place for place, _ in ticks],
        "texts": [text for _, text in ticks],
    }
