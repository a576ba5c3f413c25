"""Figures, drawn without a display and without matplotlib's global state."""

from pathlib import Path

from asrnn.files import replacing
from asrnn.objectives import CROSS_ENTROPY, Metric, Objective
from asrnn.reports.ticks import log_ticks
from asrnn.runs.metrics import Row, read_rows
from asrnn.runs.workdir import METRICS

PICTURE = "learning_curve.png"

COLOURS = {"train": "#4c78a8", "validation": "#e45756", "test": "#222222"}


def drawn(workdir: Path) -> Path | None:
    """The picture of a workdir, if none of its rows is newer; else None."""
    path, rows = workdir / PICTURE, workdir / METRICS
    fresh = path.exists() and rows.exists() and path.stat().st_mtime >= rows.stat().st_mtime
    return path if fresh else None


def draw_learning_curve(workdir: Path, objective: Objective = CROSS_ENTROPY) -> Path:
    """Draws each metric over steps of all parts into learning_curve.png."""
    from matplotlib.figure import Figure

    rows = read_rows(workdir / METRICS)
    metrics = objective.metrics
    figure = Figure(figsize=(4.5 * len(metrics), 3.6), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axis, (name, metric) in zip(axes, metrics.items(), strict=True):
        for split, colour in COLOURS.items():
            points = _points(rows, split, name, metric)
            if points:
                steps, values = zip(*points, strict=True)
                if len(points) == 1:
                    axis.plot(steps, values, "o", color=colour, label=f"{split} {values[0]:.3g}")
                else:
                    axis.plot(steps, values, color=colour, label=split, linewidth=1.4)
        axis.set_xlabel("step")
        axis.locator_params(axis="x", nbins=5)
        axis.set_ylabel(metric.label)
        axis.grid(alpha=0.3)
    if any(row.get("loss") for row in rows):
        axes[0].set_yscale("log")
        low, high = axes[0].get_ylim()
        axes[0].set_yticks(log_ticks(low, high))
        axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        axes[0].minorticks_off()
    if axes[-1].has_data():
        axes[-1].legend(frameon=False)
    path = workdir / PICTURE
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _points(rows: list[Row], split: str, name: str, metric: Metric) -> list[tuple[int, float]]:
    scale = 100 if metric.percent else 1
    return [
        (row["step"], scale * row[name])
        for row in rows
        if row["split"] == split and row.get(name) is not None
    ]
