"""Each field finds its scale: names evenly, numbers in proportion or by their logarithms."""

from __future__ import annotations

import pytest

from asrnn.reports.parameter_scale import CLOSEST, make_scale


def test_names_are_spread_evenly_in_their_order() -> None:
    scale = make_scale(["sgd", "adam", "sgd", "adagrad"])
    assert scale.ticks == [(0.0, "adagrad"), (0.5, "adam"), (1.0, "sgd")]
    assert scale.position("adam") == 0.5 and scale.room > 0 and not scale.log


def test_a_name_among_numbers_makes_names_of_all() -> None:
    assert [label for _, label in make_scale([0.5, "auto"]).ticks] == ["0.5", "auto"]


def test_numbers_that_span_a_factor_of_ten_are_logarithmic() -> None:
    scale = make_scale([0.01, 0.1, 1.0])
    assert scale.log and scale.position(0.1) == pytest.approx(0.5)
    assert scale.ticks == [(0.0, "0.01"), (pytest.approx(0.5), "0.1"), (1.0, "1")]


@pytest.mark.parametrize("values", [[1.0, 2.0, 9.0], [0.0, 100.0], [-10.0, 1000.0]])
def test_others_are_in_proportion(values: list[float]) -> None:
    scale = make_scale([*values])
    assert not scale.log
    assert scale.position((values[0] + values[-1]) / 2) == pytest.approx(0.5)


def test_what_the_space_says_goes_before_the_guess() -> None:
    assert make_scale([1.0, 2.0, 4.0], "log").position(2.0) == pytest.approx(0.5)
    assert make_scale([1.0, 50.5, 100.0], "linear").position(50.5) == pytest.approx(0.5)
    assert not make_scale([0.0, 1.0, 100.0], "log").log  # a zero beside the range
    assert make_scale(["a", 1.0], "log").ticks[0] == (0.0, "1")


def test_what_is_not_set_is_at_the_foot_below_all_numbers() -> None:
    scale = make_scale([None, 0.5, 0.9])
    assert scale.ticks[0] == (0.0, "not set") and scale.position(None) == 0
    assert scale.position(0.5) > 0.1 and scale.position(0.9) == 1
    assert make_scale([None, "a"]).ticks[0] == (0.0, "not set")
    assert make_scale([None, None]).position(None) == 0.5


def test_one_value_is_in_the_middle() -> None:
    assert make_scale([3.0]).position(3.0) == 0.5
    assert make_scale(["a"]).position("a") == 0.5


def test_many_numbers_have_round_ticks_that_do_not_touch() -> None:
    scale = make_scale([10 ** (-3 + i / 20) for i in range(61)])
    assert [label for _, label in scale.ticks] == ["0.001", "0.01", "0.1", "1"]
    assert scale.room == 0
    crowded = make_scale([1.0, 1.0001, 5.0])
    gaps = [b[0] - a[0] for a, b in zip(crowded.ticks, crowded.ticks[1:], strict=False)]
    assert min(gaps) >= CLOSEST


def test_there_is_less_room_beside_close_neighbours() -> None:
    assert make_scale([0.0, 0.1, 1.0]).room < make_scale([0.0, 0.5, 1.0]).room
