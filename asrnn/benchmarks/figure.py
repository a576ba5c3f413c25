"""How the cost grows with T, B and n."""

from collections.abc import Sequence
from pathlib import Path

from asrnn.benchmarks.cases import FLOOR, SCALING, SCALING_BASE
from asrnn.benchmarks.rows import Row
from asrnn.files import replacing

LABELS = {"T": "time steps T", "B": "batch size B", "n": "hidden size n"}
COLOURS = {
    "native": "#d62728",
    "adjoint": "#ff7f0e",
    "scan": "#1f77b4",
    "scan-graph": "#aec7e8",
    "flax-lstm": "#17becf",
    "torch-rnn": "#9467bd",
    "torch-rnn-tf32": "#c5b0d5",
    "torch-gru": "#8c564b",
    "torch-lstm": "#e377c2",
    "torch-lstm-tf32": "#f7b6d2",
    "gemm-floor": "#444444",
}


def draw_scaling(rows: Sequence[Row], path: Path) -> Path:
    """Draws medians over T, over B and over n, a line for each system; a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, len(SCALING), sharey=True)
    for axes, axis in zip(panels, SCALING, strict=True):
        for system in dict.fromkeys(row["system"] for row in rows):
            points = series(rows, system, axis)
            style = "--" if system == FLOOR else "o-"
            colour = COLOURS.get(system)
            axes.plot(*zip(*points, strict=True), style, color=colour, label=system, markersize=4)
        others = ", ".join(f"{k} {v}" for k, v in SCALING_BASE._asdict().items() if k != axis)
        axes.set(xscale="log", yscale="log", xlabel=LABELS[axis], title=others)
        axes.set_xticks(SCALING[axis], [str(size) for size in SCALING[axis]])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("forward+backward (ms)")
    panels[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def series(rows: Sequence[Row], system: str, axis: str) -> list[tuple[int, float]]:
    """(size, median) along one axis, the others being those of `SCALING_BASE`."""
    base = SCALING_BASE._asdict()
    return sorted(
        (row["shape"][axis], row["median_ms"])
        for row in rows
        if row["system"] == system and {**row["shape"], axis: base[axis]} == base
    )
