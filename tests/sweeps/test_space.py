"""A space is an expression; its points are known from the expression and a seed alone."""

import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.space import expand, scales

RATE, SCALE = "optimizer.learning_rate", "model.init_scale"


def test_a_sweep_has_a_point_for_each_value_in_order():
    assert expand(h.sweep(RATE, [0.3, 0.1]), 0) == [{RATE: 0.3}, {RATE: 0.1}]


def test_a_product_pairs_all_points_and_its_last_part_varies_fastest():
    space = h.product(h.sweep(RATE, [0.1, 0.2]), h.sweep(SCALE, [1, 2]))
    assert expand(space, 0) == [
        {RATE: 0.1, SCALE: 1},
        {RATE: 0.1, SCALE: 2},
        {RATE: 0.2, SCALE: 1},
        {RATE: 0.2, SCALE: 2},
    ]


def test_zip_puts_points_side_by_side():
    space = h.zip(h.sweep(RATE, [0.1, 0.2]), h.sweep(SCALE, [1, 2]))
    assert expand(space, 0) == [{RATE: 0.1, SCALE: 1}, {RATE: 0.2, SCALE: 2}]


def test_a_chain_is_one_part_after_the_other_with_fields_of_their_own():
    space = h.chain(h.fixed(RATE, 0.1), h.product(h.fixed(SCALE, 4), h.seeds(2, first=7)))
    assert expand(space, 0) == [
        {RATE: 0.1},
        {SCALE: 4, "seed": 7},
        {SCALE: 4, "seed": 8},
    ]


def test_quasi_random_points_lie_in_their_ranges_and_fill_them_evenly():
    space = h.quasi_random(64, h.log_uniform(RATE, 1e-3, 1.0), h.uniform(SCALE, -1.0, 3.0))
    points = expand(space, 0)
    assert all(1e-3 <= point[RATE] <= 1.0 and -1.0 <= point[SCALE] <= 3.0 for point in points)
    # A Halton sequence leaves no third of any axis with less than 20 of 64 points.
    for low, high in ((1e-3, 1e-2), (1e-2, 1e-1), (1e-1, 1.0)):
        assert sum(low <= point[RATE] < high for point in points) >= 20
    assert sum(point[SCALE] < 1.0 for point in points) in range(30, 35)


def test_a_seed_names_the_quasi_random_points_and_two_draws_of_it_differ():
    draw = h.quasi_random(5, h.uniform(SCALE, 0.0, 1.0))
    assert expand(draw, 3) == expand(draw, 3) != expand(draw, 4)
    points = expand(h.chain(draw, draw), 3)
    assert points[:5] != points[5:]


def test_values_are_rounded_to_what_a_person_would_type():
    (point,) = expand(h.quasi_random(1, h.uniform(SCALE, 0.0, 1.0)), 0)
    assert len(repr(point[SCALE])) <= len("0.123456")


def test_numbers_of_numpy_become_those_of_python():
    (point,) = expand(h.product(h.fixed(RATE, np.float32(0.5)), h.sweep(SCALE, np.array([2]))), 0)
    assert [type(value) for value in point.values()] == [float, int]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: h.sweep(RATE, []), "sweeps optimizer.learning_rate over no value"),
        (lambda: h.fixed(RATE, [0.1]), "gives optimizer.learning_rate a list; a field is text"),
        (lambda: h.product(), "at least one part"),
        (lambda: h.product({RATE: 1}), "what the functions of h return, found dict"),
        (lambda: h.log_uniform(RATE, 0.0, 1.0), "0 < low < high, found 0.0 and 1.0"),
        (lambda: h.uniform(RATE, 2.0, 1.0), "low < high, found 2.0 and 1.0"),
        (lambda: h.uniform(RATE, 0.0, float("nan")), "low < high, found 0.0 and nan"),
        (lambda: h.quasi_random(3, h.fixed(RATE, 1)), "then uniform or log_uniform"),
        (lambda: h.quasi_random(0, h.uniform(RATE, 0.0, 1.0)), "a count of at least 1"),
        (lambda: expand(h.uniform(RATE, 0.0, 1.0), 0), "has no points of its own"),
        (lambda: expand(h.zip(h.seeds(2), h.sweep(RATE, [1])), 0), "one length, found 2, 1"),
        (lambda: expand(h.product(h.seeds(2), h.seeds(3)), 0), "two parts of the space set seed"),
    ],
)
def test_what_is_no_space_is_refused_in_one_line(make, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make()


def test_a_space_says_what_it_draws_by_the_logarithm_unless_its_parts_differ():
    box = h.quasi_random(2, h.log_uniform(RATE, 0.1, 1.0), h.uniform(SCALE, 0.0, 1.0))
    assert scales(h.product(box, h.seeds(2))) == {RATE: "log", SCALE: "linear"}
    other = h.quasi_random(2, h.uniform(RATE, 1.0, 2.0))
    assert scales(h.chain(box, h.fixed(SCALE, 3.0), other)) == {SCALE: "linear"}
