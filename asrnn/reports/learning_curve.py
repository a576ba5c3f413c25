"""Figures, drawn without a display and without matplotlib's global state."""

from pathlib import Path

from asrnn.files import replacing
from asrnn.reports.chart import log_ticks
from asrnn.runs.metrics import Row, read_rows
from asrnn.runs.workdir import METRICS

COLOURS = {"train": "#4c78a8", "validation": "#e45756", "test": "#222222"}


def draw_learning_curve(workdir: Path) -> Path:
    """Draws loss and accuracy over steps of all parts into learning_curve.png."""
    from matplotlib.figure import Figure

    rows = read_rows(workdir / METRICS)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name, label in zip(
        axes, ("loss", "accuracy"), ("cross-entropy (nats)", "accuracy (%)"), strict=True
    ):
        for split, colour in COLOURS.items():
            points = _points(rows, split, name)
            if points:
                steps, values = zip(*points, strict=True)
                if len(points) == 1:
                    axis.plot(steps, values, "o", color=colour, label=f"{split} {values[0]:.3g}")
                else:
                    axis.plot(steps, values, color=colour, label=split, linewidth=1.4)
        axis.set_xlabel("step")
        axis.locator_params(axis="x", nbins=5)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    if any(row.get("loss") for row in rows):
        axes[0].set_yscale("log")
        low, high = axes[0].get_ylim()
        axes[0].set_yticks(log_ticks(low, high))
        axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        axes[0].minorticks_off()
    if axes[1].has_data():
        axes[1].legend(frameon=False)
    path = workdir / "learning_curve.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _points(rows: list[Row], split: str, name: str) -> list[tuple[int, float]]:
    scale = 100 if name == "accuracy" else 1
    return [
        (row["step"], scale * row[name])
        for row in rows
        if row["split"] == split and row.get(name) is not None
    ]
