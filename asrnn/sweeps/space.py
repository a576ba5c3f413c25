"""Search spaces: expressions that stand for points, each a dict of config fields.

`expand` lists all points of a space. It is an expression, and not yet a list, so that an
adaptive search can ask for a point of the same space instead. `asrnn.sweeps.space_functions` has
the functions with which a space file writes one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from asrnn.errors import ConfigError

Overrides = dict[str, Any]
"""Config fields by dotted name, and their values."""


@dataclass(frozen=True)
class Values:
    """One field, each of some values."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """One field, low to high, uniform in its value or, `log`, in its logarithm."""

    name: str
    low: float
    high: float
    log: bool

    def at(self, fraction: float) -> float:
        """The value at a fraction in [0, 1], to six significant digits: it is read by people."""
        if self.log:
            value = self.low * (self.high / self.low) ** fraction
        else:
            value = self.low + (self.high - self.low) * fraction
        return float(f"{value:.6g}")


@dataclass(frozen=True)
class QuasiRandom:
    """`count` points that fill the box of some ranges evenly: a scrambled Halton sequence."""

    count: int
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Product:
    """Each point of one part with each of all others; the last part varies fastest."""

    parts: tuple["Space", ...]


@dataclass(frozen=True)
class Zip:
    """The first points of all parts together, then the second ones, ..."""

    parts: tuple["Space", ...]


@dataclass(frozen=True)
class Chain:
    """The points of one part, then those of the next."""

    parts: tuple["Space", ...]


Space = Values | Range | QuasiRandom | Product | Zip | Chain


def expand(space: Space, seed: int) -> list[Overrides]:
    """All points of a space, in a fixed order.

    Args:
      space: what `get_space` returned.
      seed: of the quasi-random points; those of the n-th `quasi_random` depend on it and n.

    Raises:
      ConfigError: for a range outside of `quasi_random`, parts of `zip` of different
        lengths, or a field that two parts set.
    """
    draws = iter(range(2**31))

    def points(space: Space) -> list[Overrides]:
        match space:
            case Values(name, values):
                return [{name: value} for value in values]
            case QuasiRandom(count, ranges):
                rows = _halton(count, len(ranges), seed, next(draws))
                return [
                    {part.name: part.at(x) for part, x in zip(ranges, row, strict=True)}
                    for row in rows
                ]
            case Chain(parts):
                return [point for part in parts for point in points(part)]
            case Product(parts):
                found: list[Overrides] = [{}]
                for part in parts:
                    more = points(part)
                    found = [join(a, b) for a in found for b in more]
                return found
            case Zip(parts):
                columns = [points(part) for part in parts]
                if len({len(column) for column in columns}) != 1:
                    lengths = ", ".join(str(len(column)) for column in columns)
                    raise ConfigError(f"zip needs parts of one length, found {lengths}")
                return [join(*row) for row in zip(*columns, strict=True)]
            case Range(name):
                raise ConfigError(
                    f"the range of {name} has no points of its own: put it into"
                    " h.quasi_random(count, ...), or search adaptively with --search=optuna"
                )

    return points(space)


def scales(space: Space) -> dict[str, str]:
    """The fields with ranges: "log" or "linear"; neither, if its ranges do not agree."""
    found: dict[str, set[str]] = {}

    def visit(space: Space) -> None:
        match space:
            case Range(name):
                found.setdefault(name, set()).add("log" if space.log else "linear")
            case QuasiRandom(_, parts) | Product(parts) | Zip(parts) | Chain(parts):
                for part in parts:
                    visit(part)

    visit(space)
    return {name: kinds.pop() for name, kinds in found.items() if len(kinds) == 1}


def join(*points: Overrides) -> Overrides:
    """The fields of all points.

    Raises:
      ConfigError: if two of them set the same field.
    """
    joined: Overrides = {}
    for point in points:
        for name in point.keys() & joined.keys():
            raise ConfigError(f"two parts of the space set {name}; leave one out")
        joined |= point
    return joined


def _halton(count: int, dimensions: int, seed: int, draw: int) -> np.ndarray:
    """[count, dimensions] in [0, 1); each `draw` of a seed is scrambled in its own way."""
    from scipy.stats import qmc

    sampler = qmc.Halton(dimensions, scramble=True, rng=np.random.default_rng([seed, draw]))
    return np.asarray(sampler.random(count))
