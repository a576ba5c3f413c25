"""What an option and a table of components are: what the fields of a config are made of."""

import math
from dataclasses import dataclass

import pytest

from asrnn.errors import ConfigError
from asrnn.options import (
    COUNT,
    COUNT_OR_ZERO,
    FINITE,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    SEED,
    Option,
    Use,
    check_value,
    one_of,
    union,
    values_of,
)

RATE = Option("rate", 0.5, "a rate", POSITIVE, Use.RUN_TIME)
SCALE = Option("scale", 1.0, "a scale", FINITE, Use.INITIAL)
WIDTH = Option("width", 3, "a width", COUNT)


@dataclass(frozen=True)
class Part:
    options: tuple[Option, ...] = ()


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (POSITIVE, (1e-300, 1.0), (0.0, -1.0, math.inf, math.nan)),
        (NON_NEGATIVE, (0.0, 1.0), (-1e-300, math.inf, math.nan)),
        (FINITE, (-1.0, 0.0), (math.inf, -math.inf, math.nan)),
        (FRACTION, (0.0, 0.999), (1.0, -0.1, math.nan)),
        (SEED, (0, 2**32 - 1), (-1, 2**32)),
        (COUNT, (1, 2**31 - 1), (0, 2**31)),
        (COUNT_OR_ZERO, (0, 2**31 - 1), (-1, 2**31)),
        (one_of("a", "b"), ("a", "b"), ("", "c")),
    ],
)
def test_a_check_holds_for_what_its_words_say(check, good, bad):
    assert all(check.holds(value) for value in good)
    assert not any(check.holds(value) for value in bad)


@pytest.mark.parametrize(("option", "value"), [(RATE, 2), (RATE, 0.1), (WIDTH, 2), (SCALE, -1)])
def test_a_value_that_fits_passes_and_a_whole_number_may_stand_for_a_float(option, value):
    check_value("x", option, value)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        (RATE, "1", r"config\.x must be of type float, found '1' of type str"),
        (RATE, True, r"config\.x must be of type float, found True of type bool"),
        (WIDTH, 1.0, r"config\.x must be of type int, found 1\.0 of type float"),
        (RATE, 10**400, r"config\.x must be positive and finite, found inf"),
        (SCALE, -(10**400), r"config\.x must be finite, found -inf"),
        (RATE, -1, r"config\.x must be positive and finite, found -1\.0"),
        (Option("mode", "a", "", one_of("a", "b")), "c", "must be one of a, b, found 'c'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(option, value, complaint):
    with pytest.raises(ConfigError, match=f"{complaint}$"):
        check_value("x", option, value)


def test_values_are_those_of_the_section_or_the_defaults():
    part, section = Part((RATE, SCALE, WIDTH)), {"width": 7, "other": 1}
    assert values_of(part, section) == {"rate": 0.5, "scale": 1.0, "width": 7}
    assert values_of(part, section, Use.STATIC, Use.INITIAL) == {"scale": 1.0, "width": 7}


def test_a_union_has_each_option_once_in_the_order_of_first_appearance():
    assert list(union([Part((WIDTH, RATE)), Part((SCALE, WIDTH))])) == ["width", "rate", "scale"]
    with pytest.raises(AssertionError, match="two options are called 'rate'"):
        union([Part((RATE,)), Part((Option("rate", 0.5, "another rate"),))])
