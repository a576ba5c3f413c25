"""What `get_space(h)` of a space file is given as `h`: the functions that write a space.

def get_space(h):
    sgd = h.product(
        h.fixed("optimizer.name", "sgd"), h.sweep("optimizer.learning_rate", [0.03, 0.1])
    )
    adagrad = h.product(
        h.fixed("optimizer.name", "adagrad"),
        h.quasi_random(8, h.log_uniform("optimizer.learning_rate", 0.05, 1.0)),
    )
    return h.product(h.chain(sgd, adagrad), h.seeds(3))
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from asrnn.errors import ConfigError
from asrnn.sweeps.space import Chain, Product, QuasiRandom, Range, Space, Values, Zip


def sweep(name: str, values: Sequence[Any]) -> Values:
    """A field with each of some values."""
    if len(values) == 0:
        raise ConfigError(f"the space sweeps {name} over no value; give at least one")
    return Values(name, tuple(_plain(name, value) for value in values))


def fixed(name: str, value: Any) -> Values:
    """A field with one value."""
    return sweep(name, (value,))


def seeds(count: int, first: int = 0) -> Values:
    """The field `seed` with first, first + 1, ..."""
    return sweep("seed", range(first, first + count))


def uniform(name: str, low: float, high: float) -> Range:
    """A field between two values; points of it come from `quasi_random` or adaptive search."""
    return _range(name, low, high, log=False)


def log_uniform(name: str, low: float, high: float) -> Range:
    """A field between two positive values, uniform in its logarithm."""
    return _range(name, low, high, log=True)


def quasi_random(count: int, *ranges: Range) -> QuasiRandom:
    """`count` points that fill the box of the ranges evenly, from the seed of the sweep."""
    if count < 1 or not ranges or not all(isinstance(part, Range) for part in ranges):
        raise ConfigError("quasi_random needs a count of at least 1, then uniform or log_uniform")
    return QuasiRandom(count, ranges)


def product(*parts: Space) -> Product:
    """Each point of one part with each of all others."""
    return Product(_spaces(parts))


def zip(*parts: Space) -> Zip:
    """The parts side by side; they must be equally long."""
    return Zip(_spaces(parts))


def chain(*parts: Space) -> Chain:
    """One part after the other."""
    return Chain(_spaces(parts))


def _plain(name: str, value: Any) -> Any:
    """A value that JSON has, also where NumPy made it."""
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str | bool | int | float):
        raise ConfigError(
            f"the space gives {name} a {type(value).__name__}; a field is text, a number or a bool"
        )
    return value


def _range(name: str, low: float, high: float, *, log: bool) -> Range:
    smallest = 0.0 if log else -math.inf
    if not smallest < low < high < math.inf:
        wanted = "0 < low < high" if log else "low < high"
        raise ConfigError(f"the range of {name} needs finite {wanted}, found {low} and {high}")
    return Range(name, float(low), float(high), log)


def _spaces(parts: tuple[Any, ...]) -> tuple[Space, ...]:
    for part in parts:
        if not isinstance(part, Space):
            raise ConfigError(
                f"a space is made of what the functions of h return, found {type(part).__name__}"
            )
    if not parts:
        raise ConfigError("product, zip and chain need at least one part")
    return parts
