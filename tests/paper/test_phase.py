"""The figure of growth: its curves are the theory's, and its map has both sides."""

import csv
from pathlib import Path

import jax
import numpy as np
import pytest

from asrnn.errors import CheckpointError
from asrnn.paper.phase import (
    CELLS,
    DIFFUSIONS,
    SHOWN,
    SPEEDS,
    accuracies,
    bar,
    growth,
    growth_over_sequence,
    write_phase,
)
from asrnn.paper.table_definition import read_table, stages_of
from asrnn.paper.table_results import definition
from asrnn.paper.table_text import json_table
from asrnn.training.experiment import parameter_shapes


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("euler", lambda y: np.hypot(1, y)),
        ("midpoint", lambda y: np.hypot(1 - y**2 / 2, y)),
        ("backward_euler", lambda y: 1 / np.hypot(1, y)),
        ("implicit_midpoint", lambda y: np.ones_like(y)),
    ],
)
def test_a_curve_is_that_of_the_theory(x64: None, name: str, factor: object) -> None:
    angles = np.array([0.05, 0.7, 1.5])
    assert callable(factor)
    np.testing.assert_allclose(growth(name, angles), factor(angles), rtol=1e-8)


@pytest.mark.parametrize("cell", CELLS)
def test_slow_modes_with_much_diffusion_die_and_fast_ones_with_little_explode(
    x64: None, cell: str
) -> None:
    found = growth_over_sequence(cell, np.array([0.01, 0.5]), np.array([0.01, 5.0]))
    assert found.shape == (2, 2)
    dying, exploding = found[1, 0], found[0, 1]
    assert dying < -5
    assert exploding > 5
    assert abs(found[0, 0]) < 0.5


def test_the_bar_is_80_white_pixels_of_784() -> None:
    assert bar().shape == (784, 1)
    assert bar().sum() == 80


# ---- the accuracies on the maps


def test_the_points_that_are_trained_lie_on_the_maps(tmp_path: Path) -> None:
    table = read_table("trainability")
    for row in table.rows:
        ((job,),) = stages_of(row, tmp_path, quick=False, data={"task.source": "tfds"})
        assert parameter_shapes(job.config)
        settings = definition([job.config])
        speed = settings["model.step_size"] * settings["model.init_scale"]
        diffusion = settings["model.diffusion"] / settings["model.step_size"]
        assert SPEEDS[0] < speed < SPEEDS[-1]
        assert DIFFUSIONS[0] < diffusion < DIFFUSIONS[-1]
        assert f"ε σ_w = {speed:g}, γ/ε = {diffusion:g}" in row.method
    assert {row.method.split(",")[0] for row in table.rows} == set(CELLS)


def test_what_was_measured_is_found_and_only_that(tmp_path: Path) -> None:
    assert accuracies(tmp_path) == {name: [] for name in CELLS}
    fields = {"runs": [], "settings": {"model.step_size": 0.1, "model.init_scale": 0.5}}
    fields["settings"] |= {"model.diffusion": 0.2}
    rows = [
        {"name": "a", "cell": CELLS[1], "mean": 91.5, "diverged": [], **fields},
        {"name": "b", "cell": CELLS[0], "mean": None, "diverged": [], **fields},
    ]
    (tmp_path / "trainability.json").write_text(json_table(rows))
    assert accuracies(tmp_path) == {CELLS[0]: [], CELLS[1]: [(0.05, 2.0, 91.5)]}
    rows[1]["diverged"] = [0]
    (tmp_path / "trainability.json").write_text(json_table(rows))
    ((speed, diffusion, accuracy),) = accuracies(tmp_path)[CELLS[0]]
    assert (speed, diffusion) == (0.05, 2.0) and np.isnan(accuracy)
    (tmp_path / "trainability.json").write_text("[{}]")
    with pytest.raises(CheckpointError, match="is not a table of this command"):
        accuracies(tmp_path)


@pytest.mark.slow
def test_the_files_hold_every_curve_and_map(tmp_path: Path) -> None:
    before = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    fields = {"runs": [], "settings": {"model.step_size": 0.1, "model.init_scale": 0.5}}
    fields["settings"] |= {"model.diffusion": 0.2}
    rows = [{"name": "a", "cell": CELLS[1], "mean": 91.5, "diverged": [], **fields}]
    (tmp_path / "trainability.json").write_text(json_table(rows))
    image, table = write_phase(tmp_path, quick=True)
    assert jax.config.jax_enable_x64 == before  # type: ignore[attr-defined]
    assert image.name == "phase-quick.png"
    assert image.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    measured = f"{CELLS[1]}, test accuracy in %"
    assert {row["what"] for row in rows} == {*SHOWN, *CELLS, measured}
    assert len(rows) == len(SHOWN) * 5 + len(CELLS) * 4 * 4 + 1
    assert list(rows[-1].values()) == [measured, "0.05", "2.0", "91.5"]
