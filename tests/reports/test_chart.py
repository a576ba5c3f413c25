"""Lines are drawn to scale, within the chart, and with few enough points."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asrnn.reports.chart import (
    Axis,
    Line,
    chart,
    linear_ticks,
    log_axis,
    log_ticks,
    percent_axis,
    swatch,
    thinned,
)

PERCENT = Axis("accuracy (%)", 0, 100)


def drawn(*lines: Line, axis: Axis = PERCENT, steps: int = 100) -> ElementTree.Element:
    return ElementTree.fromstring(chart("what it shows", lines, steps, axis))


def paths(svg: ElementTree.Element, kind: str) -> list[list[tuple[float, float]]]:
    found = [path for path in svg.iter("path") if path.get("class", "").split()[0] == kind]
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", path.get("d", ""))]
        for path in found
    ]


def test_a_line_goes_right_and_up_with_its_values() -> None:
    [points] = paths(drawn(Line("a", [(0, 0), (50, 50), (100, 100)], "hue-0")), "line")
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2) and x0 < x1
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2) and y0 > y1


def test_a_log_axis_gives_each_power_of_ten_the_same_room() -> None:
    axis = Axis("loss", 0.01, 1, log=True)
    [points] = paths(drawn(Line("a", [(0, 1), (50, 0.1), (100, 0.01)], "hue-0"), axis=axis), "line")
    ys = [y for _, y in points]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2) and ys[0] < ys[1]


def test_a_loss_of_zero_is_drawn_below_a_log_axis() -> None:
    axis = Axis("loss", 0.01, 1, log=True)
    [points] = paths(drawn(Line("a", [(0, 1), (100, 0)], "hue-0"), axis=axis), "line")
    assert points[1][1] > 300


def test_what_leaves_the_axes_is_clipped_by_a_nested_svg() -> None:
    svg = drawn(Line("a", [(0, 0), (100, 1e6)], "hue-0"))
    nested = svg.find("svg")
    assert nested is not None and nested.find("g/path") is not None
    assert nested.get("viewBox", "").split()[2:] == [nested.get("width"), nested.get("height")]


def test_a_single_point_is_a_dot_and_no_point_is_nothing() -> None:
    svg = drawn(Line("a", [(50, 50)], "hue-0"), Line("b", [], "hue-1"))
    assert len(list(svg.iter("circle"))) == 1
    assert [title.text for title in svg.iter("title")] == ["a"]


def test_a_cross_within_the_chart_ends_a_run_that_diverged() -> None:
    axis = Axis("loss", 0.1, 10, log=True)
    svg = drawn(Line("a", [(0, 1), (50, 1e30)], "hue-0", lost=True), axis=axis)
    [[(_, y), *_]] = paths(svg, "cross")
    assert 0 < y < 300
    assert not paths(drawn(Line("a", [(0, 1), (50, 2)], "hue-0")), "cross")


def test_the_chart_is_described_and_has_labels() -> None:
    svg = drawn(Line("a < b", [(0, 1), (20_000, 2)], "hue-0"), steps=20_000)
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "what it shows")
    texts = [text.text for text in svg.iter("text")]
    assert {"step", "accuracy (%)", "0", "100", "10k", "20k"} <= set(texts)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([53.0, 88.0], 50, 90),
        ([97.45, 98.8], 97, 99),
        ([100.0, 100.0], 99.8, 100),
        ([10.0, 10.0], 9.8, 10),
        ([0.0], 0, 0.2),
        ([], 0, 100),
    ],
)
def test_the_accuracy_axis_is_round(values: list[float], low: float, high: float) -> None:
    axis = percent_axis("accuracy (%)", values)
    assert (axis.low, axis.high) == pytest.approx((low, high))


@given(st.lists(st.floats(0, 100), min_size=1))
def test_every_accuracy_is_on_its_axis(values: list[float]) -> None:
    axis = percent_axis("accuracy (%)", values)
    assert -1e-9 <= axis.low < axis.high <= 100 + 1e-9
    assert all(-1e-6 <= axis.fraction(value) <= 1 + 1e-6 for value in values)


def test_the_loss_axis_holds_all_but_what_diverges() -> None:
    assert (
        log_axis("cross-entropy (nats)", [0.5, 2.0]).low
        < 0.5
        < 2.0
        < log_axis("cross-entropy (nats)", [0.5, 2.0]).high
    )
    assert log_axis("cross-entropy (nats)", [0.5, 1e30]).high == pytest.approx(110)
    assert (
        log_axis("cross-entropy (nats)", [0.0]).low > 0
        and log_axis("cross-entropy (nats)", []).low < log_axis("cross-entropy (nats)", []).high
    )


def test_thinning_keeps_spikes_and_the_order() -> None:
    points = [(float(i), 1.0) for i in range(10_000)]
    points[4321] = (4321.0, 99.0)
    points[4322] = (4322.0, -99.0)
    kept = thinned(points, 400)
    assert len(kept) <= 400
    assert {points[4321], points[4322]} <= set(kept)
    assert kept == sorted(kept)
    assert thinned(points[:400], 400) == points[:400]


def test_a_swatch_is_a_line_or_a_dot() -> None:
    assert "<path" in swatch("hue-0") and "<circle" in swatch("hue-0", dot=True)


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
@example(1e-12, 1.0000000000000002e-12)
def test_ticks_are_few_in_order_and_inside(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for ticks in (linear_ticks(low, high), log_ticks(low, high)):
        assert 1 <= len(ticks) <= 12
        assert ticks == sorted(set(ticks))
        rounding = 1e-6 * (high - low) + 1e-9 * low
        assert low - rounding <= ticks[0] and ticks[-1] <= high + rounding
