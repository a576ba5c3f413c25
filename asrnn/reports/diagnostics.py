"""Gradients through time and Lyapunov exponents of runs that recorded them."""

from collections.abc import Sequence

from asrnn.reports.chart import Axis, Line, chart, linear_ticks, swatch
from asrnn.reports.markup import Markup, details, element, join
from asrnn.reports.runs import Run

SPLIT = "diagnostics"
OPEN = 6
"""How many runs are shown unfolded."""
DECADES = 40
"""What a gradient axis spans at most, below its largest value."""
MOMENTS = {
    "gradient_first": "after the first step",
    "gradient_middle": "in the middle",
    "gradient_last": "after the last step",
}


def diagnostics(runs: Sequence[Run]) -> Markup:
    """A pair of charts for each layer of each run that has rows of diagnostics.

    Args:
      runs: in the order in which they are shown.
    """
    shown = [run for run in runs if any(row["split"] == SPLIT for row in run.rows)]
    if not shown:
        return join([])
    parts = [
        element(
            "p",
            "Left: ‖∂loss/∂h‖ of one example, on average over a few; where the first step's line"
            " lies far below that of the last step, gradients vanish on their way through time,"
            " and where it lies far above, they explode. Right: the largest Lyapunov exponent, by"
            " how much the logarithm of a distance between two states grows in a step.",
        )
    ]
    for run in shown[:OPEN]:
        parts += [element("h3", run.name), diagnostics_of_run(run)]
    parts += [details(run.name, diagnostics_of_run(run)) for run in shown[OPEN:]]
    return join(parts)


def diagnostics_of_run(run: Run) -> Markup:
    """The charts of one run, and what their lines mean."""
    names = {name for row in run.rows if row["split"] == SPLIT for name in row}
    count = sum(name.startswith("lyapunov") for name in names)
    steps = max(row["step"] for row in run.rows if row["split"] == SPLIT)
    legend = [
        element("li", swatch(f"hue-{i}"), f"gradient {text}")
        for i, text in enumerate(MOMENTS.values())
    ]
    return element(
        "figure",
        *(_charts(run, layer, count, steps) for layer in range(1, count + 1)),
        element("figcaption", element("ul", *legend, class_="legend")),
    )


def _charts(run: Run, layer: int, count: int, steps: int) -> Markup:
    """The gradients of one layer, and its exponent."""
    suffix = "" if layer == 1 else f"_{layer}"
    whose = run.name if count == 1 else f"layer {layer} of {run.name}"
    label = "" if count == 1 else f", layer {layer}"
    lost = run.status == "diverged"
    gradients = [
        Line(f"gradient {text}", run.points(SPLIT, name + suffix), f"hue-{i}", lost)
        for i, (name, text) in enumerate(MOMENTS.items())
    ]
    exponent = Line("exponent", run.points(SPLIT, "lyapunov" + suffix), "hue-3", lost)
    zero = Line("neither grows nor shrinks", [(0, 0.0), (max(steps, 1), 0.0)], "other")
    return element(
        "div",
        chart(
            f"Norms of the gradients through time of {whose} over steps",
            gradients,
            steps,
            gradient_axis(f"‖∂loss/∂h‖{label}", [v for g in gradients for _, v in g.points]),
        ),
        chart(
            f"Largest Lyapunov exponent of {whose} over steps",
            [zero, exponent],
            steps,
            exponent_axis(f"exponent (nats a step){label}", [v for _, v in exponent.points]),
        ),
        class_="pair",
    )


def gradient_axis(label: str, values: Sequence[float]) -> Axis:
    """Logarithmic, with all but what lies `DECADES` below the largest; 0 is below the chart."""
    positive = [value for value in values if value > 0]
    high = max(positive, default=1.0)
    low = max(min(positive, default=0.1), high * 10.0**-DECADES)
    # At least a decade, so that a line which hardly changes is not blown up.
    widened = max((10 * low / high) ** 0.5, 1.1)
    return Axis(label, low / widened, high * widened, log=True)


def exponent_axis(label: str, values: Sequence[float]) -> Axis:
    """Linear and with 0 in it, from a round number to a round number."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    if high - low < 1e-12:
        low, high = -0.01, 0.01
    room = 0.1 * (high - low)
    ticks = linear_ticks(low - room, high + room)
    step = ticks[1] - ticks[0]
    return Axis(label, min(ticks[0], low - step / 2), max(ticks[-1], high + step / 2))
