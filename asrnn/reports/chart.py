"""Lines over steps as SVG, coloured by the style sheet of the page that they are in."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from asrnn.reports.markup import Markup, element

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 12, 42
MOST_POINTS = 400

Point = tuple[float, float]


class Line(NamedTuple):
    """Points in the order of their steps; a single one is drawn as a dot."""

    name: str
    points: Sequence[Point]
    style: str
    """Classes of the style sheet."""
    lost: bool = False
    """Whether it ends where the run diverged, shown by a cross."""


class Axis(NamedTuple):
    """The values that a chart shows; lines leave it where theirs are outside."""

    label: str
    low: float
    high: float
    log: bool = False

    def fraction(self, value: float) -> float:
        """0 at the lower end, 1 at the upper one."""
        if self.log:
            tiny = self.low * 1e-3  # for 0, which then is below the chart
            return math.log(max(value, tiny) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Where the grid is."""
        return (log_ticks if self.log else linear_ticks)(self.low, self.high)


def chart(description: str, lines: Sequence[Line], steps: int, axis: Axis) -> Markup:
    """Draws lines; the last ones are on top.

    Args:
      description: what it shows, for readers who cannot see it.
      lines: what to draw.
      steps: where the horizontal axis ends.
      axis: the vertical one.
    """
    across = Axis("step", 0, 1.02 * max(steps, 1))  # so that a dot at the end is whole
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    grid = [*(_horizontal(axis, tick) for tick in axis.ticks())]
    grid += [_vertical(across, tick) for tick in linear_ticks(0, across.high, 4)]
    labels = [
        element("text", across.label, class_="axis", x=f"{LEFT + width / 2:g}", y=str(HEIGHT - 4)),
        element(
            "text",
            axis.label,
            class_="axis",
            transform=f"translate(13 {TOP + height / 2:g}) rotate(-90)",
        ),
    ]
    drawn = [_line(line, across, axis) for line in lines if line.points]
    # A nested svg clips what leaves it.
    inner = element(
        "svg",
        *drawn,
        x=str(LEFT),
        y=str(TOP),
        width=str(width),
        height=str(height),
        viewBox=f"{LEFT} {TOP} {width} {height}",
    )
    return element(
        "svg",
        *grid,
        *labels,
        inner,
        class_="chart",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=description,
    )


def swatch(style: str, *, dot: bool = False) -> Markup:
    """A short piece of a line, or a dot, for a legend."""
    piece = (
        element("circle", class_=f"dot {style}", cx="12", cy="5", r="4")
        if dot
        else element("path", class_=f"line {style}", d="M0 5H24")
    )
    return element("svg", piece, class_="swatch", viewBox="0 0 24 10", aria_hidden="true")


def percent_axis(label: str, values: Sequence[float]) -> Axis:
    """In percent, from a round number below the smallest value to one above the largest."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    first, second, *_ = linear_ticks(low, max(high, low + 1))
    step = second - first
    bottom = max(math.floor(low / step + 1e-9), 0) * step
    top = min(math.ceil(high / step - 1e-9) * step, 100.0)
    if top - bottom < step / 2:  # all values are equal
        bottom, top = (bottom - step, top) if bottom >= step else (bottom, bottom + step)
    return Axis(label, bottom, top)


def log_axis(label: str, values: Sequence[float], most: float = 100.0) -> Axis:
    """Logarithmic; what a diverging run reaches above `most` is not shown."""
    shown = [min(value, most) for value in values if value > 0]
    low, high = min(shown, default=0.1), max(shown, default=1.0)
    low = max(low, high * 1e-6)
    return Axis(label, low * 0.9, high * 1.1, log=True)


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points: of each stretch the lowest and the highest are kept."""
    if len(points) <= most:
        return list(points)
    kept: list[Point] = []
    size = math.ceil(2 * len(points) / most)
    for first in range(0, len(points), size):
        stretch = points[first : first + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def _line(line: Line, across: Axis, axis: Axis) -> Markup:
    places = [(_x(across, step), _y(axis, value)) for step, value in thinned(line.points)]
    x, y = places[-1]
    parts = [element("title", line.name)]
    if len(places) == 1:
        parts.append(element("circle", class_=f"dot {line.style}", cx=f"{x}", cy=f"{y}", r="3.5"))
    else:
        path = "M" + "L".join(f"{x} {y}" for x, y in places)
        parts.append(element("path", class_=f"line {line.style}", d=path))
    if line.lost:
        inside = min(max(y, TOP + 6), HEIGHT - BOTTOM - 6)
        cross = f"M{x - 5:g} {inside - 5:g}l10 10m0 -10l-10 10"
        parts.append(element("path", class_="cross", d=cross))
    return element("g", *parts)


def _x(across: Axis, step: float) -> float:
    return round(LEFT + across.fraction(step) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(TOP + (1 - axis.fraction(value)) * (HEIGHT - TOP - BOTTOM), 1)


def _horizontal(axis: Axis, tick: float) -> Markup:
    y = _y(axis, tick)
    rule = element("path", class_="grid", d=f"M{LEFT} {y}H{WIDTH - RIGHT}")
    label = element("text", f"{tick:g}", class_="tick y", x=str(LEFT - 6), y=str(y))
    return element("g", rule, label)


def _vertical(across: Axis, tick: float) -> Markup:
    x = _x(across, tick)
    rule = element("path", class_="grid", d=f"M{x} {TOP}V{HEIGHT - BOTTOM}")
    label = element("text", _short(tick), class_="tick x", x=str(x), y=str(HEIGHT - BOTTOM + 16))
    return element("g", rule, label)


def _short(step: float) -> str:
    """50,000 -> "50k"."""
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], about `count` of them."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = (float(f"{i * step:.12g}") for i in range(first, last + 1))
    return list(dict.fromkeys(ticks))  # some are equal, if low and high nearly are


def log_ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Powers of ten in [low, high]; over few decades, two and five times these too.

    Where even those are fewer than three, the ticks are linear ones.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(math.ceil((last - first) / count), 1)
    factors = (1, 2, 5) if math.log10(high) - math.log10(low) < 3 else (1,)
    found = [
        float(f"{factor}e{power}") for power in range(first, last + 1, every) for factor in factors
    ]
    inside = [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside if len(inside) > 2 else linear_ticks(low, high)
