"""The shapes of the paper's tasks and the operations that they take."""

from __future__ import annotations

import pytest

from asrnn.benchmarks.cases import (
    CASES,
    SCALING,
    WORKS,
    Shape,
    Workload,
    cube_edge,
    scaling_cases,
    selected,
)
from asrnn.errors import ConfigError
from asrnn.tasks import make_task


def test_the_cases_have_the_shapes_of_their_tasks() -> None:
    assert CASES["A"].shape == Shape(T=784, B=128, n=128, m=1)
    assert CASES["B"].shape == Shape(T=1024, B=128, n=256, m=3)
    assert CASES["N"].shape == Shape(T=1000, B=128, n=256, m=96)
    for case in CASES.values():
        assert case.images is not None
        task = make_task(case.images.task)
        assert (task.length, task.input_size) == (case.shape.T, case.shape.m)


@pytest.mark.parametrize(
    ("name", "work", "gflop"),
    [
        ("A", "forward", 3.288),
        ("A", "forward+backward", 9.865),
        ("A", "train step", 9.865),
        ("A", "evaluation", 3.288),
        ("B", "forward", 17.18),
        ("B", "forward+backward", 51.54),
    ],
)
def test_operations(name: str, work: str, gflop: float) -> None:
    assert Workload(CASES[name], "antisymmetric", work).operations / 1e9 == pytest.approx(
        gflop, 1e-3
    )


def test_an_edge_is_a_multiple_of_16_with_about_as_many_operations() -> None:
    for operations in (1e9, 9.865e9, 51.54e9):
        edge = cube_edge(operations)
        assert edge % 16 == 0
        assert 2 * edge**3 == pytest.approx(operations, rel=0.05)


def test_selected_keeps_the_known_order_and_all_for_none() -> None:
    assert selected("--work", [], WORKS) == list(WORKS)
    assert selected("--cases", ["N", "A", "N"], CASES) == ["A", "N"]


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="--cases must be one of A, B, N; found 'C'"):
        selected("--cases", ["A", "C"], CASES)


def test_each_growing_shape_differs_from_case_a_in_one_size_at_most() -> None:
    base = CASES["A"].shape
    cases = scaling_cases()
    assert len({case.name for case in cases}) == len({case.shape for case in cases}) == len(cases)
    for case in cases:
        differing = [a for a in Shape._fields if getattr(case.shape, a) != getattr(base, a)]
        assert len(differing) <= 1
    for axis, sizes in SCALING.items():
        assert set(sizes) <= {getattr(case.shape, axis) for case in cases}
        assert getattr(base, axis) in sizes
