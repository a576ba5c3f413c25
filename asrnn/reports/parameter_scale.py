"""Where the values of a swept field lie along an axis: names, numbers, numbers by logarithm."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from asrnn.reports.sweep import Value
from asrnn.reports.ticks import linear_ticks, log_ticks

NOT_SET = "not set"
FEW = 7
"""Up to so many distinct numbers are the ticks themselves."""
CLOSEST = 0.055
"""Of ticks closer than this only the first is kept."""
MOST_ROOM = 0.07


class Scale(NamedTuple):
    """Positions in [0, 1] of the values of one field; 0 is for "not set", if that occurs."""

    position: Callable[[Value], float]
    ticks: list[tuple[float, str]]
    room: float
    """How far points may be moved off their place so that they do not hide each other; 0 where
    there are many places anyway."""
    log: bool


def make_scale(values: Sequence[Value], kind: str | None = None) -> Scale:
    """The scale of a field from all its values.

    A field with a name among its values is categorical. One of positive numbers that span a
    factor of ten or more is treated as logarithmic.

    Args:
      values: of all trials.
      kind: of a field of numbers, "log" or "linear", where the space says so.
    """
    known = [value for value in values if value is not None]
    start = 0.14 if len(known) < len(values) and known else 0.0
    if any(isinstance(value, str) for value in known):
        return _categorical(known, start)
    return _numeric([float(value) for value in known], start, kind)


def shown(value: Value) -> str:
    """A value as a tick says it."""
    return NOT_SET if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _categorical(known: Sequence[Value], start: float) -> Scale:
    names = sorted({shown(value) for value in known})
    places = _spread(len(names), start)
    at = dict(zip(names, places, strict=True)) | {NOT_SET: 0.0}
    ticks = [(at[name], name) for name in ([NOT_SET] if start else []) + names]
    return Scale(lambda value: at[shown(value)], ticks, _room(list(at.values())), log=False)


def _numeric(known: Sequence[float], start: float, kind: str | None) -> Scale:
    low, high = min(known, default=0.0), max(known, default=0.0)
    log = low > 0 and (kind == "log" if kind else high / low >= 10)

    def position(value: Value) -> float:
        if value is None and start:
            return 0.0
        if not isinstance(value, float) or low == high:
            return 0.5
        if log:
            fraction = math.log(value / low) / math.log(high / low)
        else:
            fraction = (value - low) / (high - low)
        return start + (1 - start) * fraction

    distinct = sorted(set(known))
    room = 0.0
    if len(distinct) <= FEW:
        room = _room([position(value) for value in distinct] + [0.0] * bool(start))
    else:
        distinct = log_ticks(low, high) if log else linear_ticks(low, high)
    ticks = [(0.0, NOT_SET)] if start else []
    for value in distinct:
        place = position(value)
        if not ticks or place - ticks[-1][0] >= CLOSEST:
            ticks.append((place, shown(value)))
    return Scale(position, ticks or [(0.5, NOT_SET)], room, log)


def _room(places: Sequence[float]) -> float:
    ordered = sorted(set(places))
    gaps = [b - a for a, b in pairwise(ordered)]
    return min([MOST_ROOM, *(gap / 3 for gap in gaps)])


def _spread(count: int, start: float) -> list[float]:
    if count == 1:
        return [(start + 1) / 2]
    return [start + (1 - start) * i / (count - 1) for i in range(count)]
