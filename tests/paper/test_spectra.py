"""The spectra tell what the paper tells: the LSTM forgets, small γ keeps, large γ forgets too."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asrnn.paper import spectra
from asrnn.paper.spectra import Point, Scale, write_spectra


@pytest.fixture(scope="module")
def points() -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in spectra.spectra(Scale(12, 200, 50)):
        found.setdefault(point.network, []).append(point)
    assert all((curve[0].mean, curve[0].std) == (1, 0) for curve in found.values())
    return found


def test_there_is_a_curve_for_each_diffusion_and_for_the_lstm(
    points: dict[str, list[Point]],
) -> None:
    assert [curve[0].diffusion for curve in points.values()] == [0.0, 0.001, 0.01, 0.1, 1.0, None]
    assert all(
        [point.steps for point in curve] == [0, 50, 100, 150, 200] for curve in points.values()
    )


@pytest.mark.parametrize("diffusion", ["0", "0.001", "0.01"])
def test_small_diffusion_keeps_the_eigenvalues_near_one(
    diffusion: str, points: dict[str, list[Point]]
) -> None:
    for point in points[f"AntisymmetricRNN, γ = {diffusion}"]:
        assert abs(point.mean - 1) < 0.03
        assert point.std < 0.03


def test_more_diffusion_means_smaller_eigenvalues(points: dict[str, list[Point]]) -> None:
    ends = [curve[-1].mean for curve in points.values() if curve[-1].diffusion is not None]
    assert ends == sorted(ends, reverse=True)
    assert np.exp(-2) * 0.9 < ends[-1] < 0.5  # γ ε T = 2, less where tanh saturates


def test_the_lstm_forgets(points: dict[str, list[Point]]) -> None:
    means = [point.mean for point in points["LSTM"]]
    assert means == sorted(means, reverse=True)
    assert means[-1] < 1e-12


@pytest.mark.slow
def test_numbers_and_picture_of_a_quick_check_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectra, "QUICK", Scale(4, 2, 1))
    picture, table = write_spectra(tmp_path, quick=True)
    assert [picture.name, table.name] == ["spectra-quick.png", "spectra-quick.csv"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["steps"] for row in rows] == ["0", "1", "2"] * 6
    assert all(float(row["mean"]) > 0 for row in rows)
    with Image.open(picture) as image:
        assert image.format == "PNG"
