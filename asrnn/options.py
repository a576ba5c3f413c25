"""What a component can be told: its options, each with a default, a check and a line of help.

A cell, scheme, optimizer, schedule, task or objective declares its options in its own file.
`asrnn.config` makes the fields of a config of them: option `step_size` of a cell is the field
`model.step_size`. Options of one meaning have one name and are one object, whoever reads them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from asrnn.errors import ConfigError

Value = bool | int | float | str


@dataclass(frozen=True)
class Check:
    """What a value must satisfy, in words and as a predicate."""

    words: str
    holds: Callable[[Any], bool]


POSITIVE = Check("positive and finite", lambda v: math.isfinite(v) and v > 0)
NON_NEGATIVE = Check("finite and at least 0", lambda v: math.isfinite(v) and v >= 0)
FINITE = Check("finite", math.isfinite)
FRACTION = Check("in [0, 1), as a float32 too", lambda v: 0 <= v < 1 - 2**-25)
SEED = Check("in [0, 2^32)", lambda v: 0 <= v < 2**32)
COUNT = Check("in [1, 2^31)", lambda v: 1 <= v < 2**31)
COUNT_OR_ZERO = Check("in [0, 2^31)", lambda v: 0 <= v < 2**31)


def one_of(*names: str) -> Check:
    """The value is one of some names."""
    return Check(f"one of {', '.join(names)}", lambda v: v in names)


class Use(Enum):
    """When the value of an option is needed, and so what another value costs."""

    RUN_TIME = "run time"
    """A scalar argument of the compiled update: another value recompiles nothing."""
    INITIAL = "initial"
    """It shapes the initial parameters only: another value recompiles nothing."""
    STATIC = "static"
    """The update is compiled for it."""


@dataclass(frozen=True)
class Option:
    """One thing that a component can be told.

    Attributes:
      name: the config field without its section, `step_size` of `model.step_size`.
      default: its value unless a config sets another; its type is that of the field.
      help: one line, with the paper's symbol where there is one.
      check: what a value must satisfy beside its type.
      use: when the value is needed.
    """

    name: str
    default: Value
    help: str
    check: Check | None = None
    use: Use = Use.STATIC


class Component(Protocol):
    """What a config chooses by name: a cell, scheme, optimizer, schedule, task or objective."""

    @property
    def options(self) -> tuple[Option, ...]:
        """What it reads of its section of the config."""


def values_of(component: Component, section: Mapping[str, Any], *uses: Use) -> dict[str, Any]:
    """The values of a component's options, those of some uses only where these are named.

    Args:
      component: whose options.
      section: the section of the config; a name that is missing has its default.
      uses: all of them, if none is named.
    """
    return {
        option.name: section.get(option.name, option.default)
        for option in component.options
        if not uses or option.use in uses
    }


def union(components: Iterable[Component]) -> dict[str, Option]:
    """The options of all components by name, in the order of their first appearance.

    Raises:
      AssertionError: if two components mean different things by one name.
    """
    found: dict[str, Option] = {}
    for component in components:
        for option in component.options:
            known = found.setdefault(option.name, option)
            if known != option:
                raise AssertionError(f"two options are called {option.name!r}: {known}, {option}")
    return found


def check_value(field: str, option: Option, value: Any) -> None:
    """Checks type and range of the value of a config field.

    Raises:
      ConfigError: in one line.
    """
    expected = type(option.default)
    if type(value) is not expected and not (expected is float and type(value) is int):
        raise ConfigError(
            f"config.{field} must be of type {expected.__name__},"
            f" found {value!r} of type {type(value).__name__}"
        )
    if expected is float:
        value = _as_float(value)
    if option.check is not None and not option.check.holds(value):
        raise ConfigError(f"config.{field} must be {option.check.words}, found {value!r}")


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond the largest float
        return math.inf if value > 0 else -math.inf
