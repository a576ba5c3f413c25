"""Ticks are round numbers, few, in order and inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrnn.reports.ticks import linear_ticks, log_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (97.3, 98.1, [97.4, 97.6, 97.8, 98.0]),
        (0, 2500, [0, 500, 1000, 1500, 2000, 2500]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
    ],
)
def test_linear_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert linear_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.001, 1000, [1e-3, 1e-2, 0.1, 1, 10, 100, 1000]),
        (0.5, 5, [0.5, 1, 2, 5]),
        (0.9, 11, [1, 2, 5, 10]),
        (0.3, 40, [0.5, 1, 2, 5, 10, 20]),
        (0.03, 31, [0.1, 1, 10]),
        (0.57, 1.9, [1, 1.5]),
        (0.3, 0.4, [0.3, 0.32, 0.34, 0.36, 0.38, 0.4]),
        (1e-20, 1, [1e-20, 1e-17, 1e-14, 1e-11, 1e-8, 1e-5, 0.01]),
        (2, 2, [2]),
        (1, 1, [1]),
    ],
)
def test_log_ticks_are_powers_of_ten_or_parts_of_them_or_round(
    low: float, high: float, ticks: list[float]
) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


SIZES = st.floats(1e-12, 1e12)


@given(SIZES, SIZES)
def test_ticks_are_few_in_order_and_inside(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for ticks in (linear_ticks(low, high), log_ticks(low, high)):
        assert 1 <= len(ticks) <= 12
        assert ticks == sorted(set(ticks))
        rounding = 1e-6 * (high - low) + 1e-9 * low
        assert low - rounding <= ticks[0] and ticks[-1] <= high + rounding
