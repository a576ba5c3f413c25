"""Figure 1 behaves as the paper says of each panel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asrnn.paper.figure1 import STARTS, STEPS, growth, panels, trajectories, write_figure1

PANELS = dict(zip("abcdefgh", panels(), strict=True))


def radii(letter: str) -> np.ndarray:
    """|h| `[STEPS + 1, 3]`."""
    return np.linalg.norm(trajectories(PANELS[letter]), axis=-1)


def test_the_panels_are_named_in_order() -> None:
    assert [panel.title[:3] for panel in PANELS.values()] == [f"({letter})" for letter in PANELS]
    assert [panel.feedback for panel in PANELS.values()] == [False] * 4 + [True] * 4


@pytest.mark.parametrize("letter", "abcdefgh")
def test_a_trajectory_is_the_recursion_of_the_paper(letter: str) -> None:
    panel = PANELS[letter]
    h = np.array(STARTS)
    expected = [h]
    for _ in range(STEPS):
        pushed = np.tanh(h @ panel.matrix.T)
        h = h + 0.1 * pushed if panel.feedback else pushed
        expected.append(h)
    np.testing.assert_allclose(trajectories(panel), expected, rtol=1e-12, atol=1e-14)


def test_a_goes_to_two_fixed_points_on_the_boundary() -> None:
    ends = trajectories(PANELS["a"])[-2:]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)
    assert (np.abs(ends[1]).max(axis=-1) > 0.95).all()
    np.testing.assert_allclose(ends[1][1], ends[1][2], atol=1e-5)
    np.testing.assert_allclose(ends[1][0], -ends[1][1], atol=1e-5)


@pytest.mark.parametrize("letter", "bcd")
def test_an_orthogonal_matrix_without_feedback_goes_to_the_origin(letter: str) -> None:
    matrix, size = PANELS[letter].matrix, radii(letter)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
    assert (np.diff(size, axis=0) < 0).all()
    assert (size[-1] < 0.5 * size[0]).all()


def test_c_is_a_reflection_and_d_a_rotation() -> None:
    assert [round(np.linalg.det(PANELS[letter].matrix)) for letter in "cd"] == [-1, 1]


def test_positive_eigenvalues_go_out_and_negative_ones_in() -> None:
    assert (radii("e")[-1] > 5).all()
    assert (radii("f")[-1] < 0.01).all()


def test_an_antisymmetric_matrix_spirals_out_and_diffusion_holds_it() -> None:
    assert (radii("g")[-1] > 1.3 * radii("g")[0]).all()
    spread = radii("h").max(axis=0) / radii("h").min(axis=0)
    assert (spread < 1.2).all()
    assert (spread < radii("g").max(axis=0) / radii("g").min(axis=0)).all()


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        ("b", 1.0),
        ("e", 1.2),
        ("f", 0.8),
        ("g", np.sqrt(1 + 0.2**2)),
        ("h", np.hypot(1 - 0.1 * 0.15, 0.1 * 2)),  # above 1: not stable at the origin
    ],
)
def test_the_growth_is_that_of_one_step_at_the_origin(letter: str, expected: float) -> None:
    # e and f are defective: their double eigenvalue is only good to the root of the rounding
    assert growth(PANELS[letter]) == pytest.approx(expected, rel=1e-7 if letter in "ef" else 1e-12)


def test_many_steps_are_the_long_run_of_few() -> None:
    """Panel h: what saturates ends on a closed curve, which 50 steps cannot tell."""
    states = trajectories(PANELS["h"], 5000)
    assert states.shape == (5001, 3, 2)
    np.testing.assert_array_equal(states[: STEPS + 1], trajectories(PANELS["h"]))
    late = np.linalg.norm(states[-200:], axis=-1)
    assert late.max() / late.min() < 1.1
    np.testing.assert_allclose(late.max(axis=0), late.max(), rtol=1e-2)


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), STEPS])
def test_the_picture_is_drawn_and_the_numbers_are_written(steps: int, tmp_path: Path) -> None:
    path, numbers = write_figure1(tmp_path, steps)
    stem = "figure1" if steps == STEPS else f"figure1-{steps}"
    assert (path.name, numbers.name) == (f"{stem}.png", f"{stem}.json")
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 1.5 * image.height
    found = json.loads(numbers.read_text())
    assert (found["steps"], found["step_size"]) == (steps, 0.1)
    for panel, own in zip(PANELS.values(), found["panels"], strict=True):
        assert (own["title"], own["feedback"]) == (panel.title, panel.feedback)
        assert own["matrix"] == panel.matrix.tolist()
        assert own["growth"] == growth(panel)
        states = np.array(own["trajectories"])
        assert states.shape == (3, steps + 1, 2)
        np.testing.assert_array_equal(states[:, 0], STARTS)
        np.testing.assert_array_equal(states.swapaxes(0, 1), trajectories(panel, steps))
