"""Spectra of a trained network: of its own parameters and inputs, beside the initial ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.paper import trained_spectra
from asrnn.paper.spectra import Point
from asrnn.paper.trained_spectra import write_trained_spectra
from asrnn.tasks import Resident
from asrnn.training.loop import train_and_evaluate
from asrnn.training.saved import Trained, read_trained
from tests.training.runs import tiny_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workdir = tmp_path_factory.mktemp("trained")
    train_and_evaluate(tiny_config(training__steps=8, model__diffusion=0.1), workdir)
    return read_trained(workdir)


def by_network(trained: Trained) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in trained_spectra.trained_spectra(trained):
        found.setdefault(point.network, []).append(point)
    return found


def mean_size(params: Any, inputs: np.ndarray, steps: int) -> float:
    """Mean |λ| of ∂h_t/∂h_0, the product of I + ε diag(1 - tanh²) A written out."""
    w = np.zeros((8, 8))
    w[np.triu_indices(8, 1)] = params["recurrent"]["recurrent_triangle"]
    a = w - w.T - 0.1 * np.eye(8)
    kernel, bias = (np.asarray(params["recurrent"][k], float) for k in ("input_kernel", "bias"))
    sizes = []
    for xs in inputs:
        h, product = np.zeros(8), np.eye(8)
        for x in xs[:steps]:
            slope = np.tanh(a @ h + x @ kernel + bias)
            product = (np.eye(8) + 0.1 * (1 - slope**2)[:, None] * a) @ product
            h = h + 0.1 * slope
        sizes.append(np.abs(np.linalg.eigvals(product)))
    return float(np.mean(sizes))


def test_the_numbers_are_those_of_the_first_test_examples(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_spectra, "POINTS", 3)
    found = by_network(trained)
    assert list(found) == ["at the start", f"after {trained.step} updates"]
    source = trained.experiment.task.source
    assert isinstance(source, Resident)
    images = source.load(lambda line: None).test["inputs"][:4]
    inputs = np.asarray(source.sequence(images, jax.random.split(jax.random.key(0), 4)), float)
    everything = zip(
        found.values(), (trained.experiment.initial_params, trained.params), strict=True
    )
    for points, params in everything:
        assert [point.steps for point in points] == [0, 22, 44, 64]
        assert points[0][1:] == (pytest.approx(0.1), 0, 1.0, 0.0)
        for point in points[1:]:
            expected = mean_size(params, inputs.swapaxes(0, 1), point.steps)
            assert point.mean == pytest.approx(expected, rel=1e-6)
            assert 0 < point.std < 1


@pytest.mark.slow
def test_each_layer_has_a_curve(tmp_path: Path) -> None:
    fields = {"model__cell": "lstm", "model__step_size": 0.01}  # an LSTM reads no step size
    config = tiny_config(training__steps=2, model__num_layers=2, **fields)
    train_and_evaluate(config, tmp_path / "run")
    picture, table = write_trained_spectra(tmp_path, tmp_path / "run", {})
    assert (picture.name, table.name) == ("spectra-run.png", "spectra-run.csv")
    lines = list(csv.DictReader(table.read_text().splitlines()))
    names = list(dict.fromkeys(line["network"] for line in lines))
    assert names == [
        *("layer 1, at the start", "layer 2, at the start"),
        *("layer 1, after 2 updates", "layer 2, after 2 updates"),
    ]
    assert {line["diffusion"] for line in lines} == {""}
    ends = {name: [x for x in lines if x["network"] == name][-1] for name in names}
    assert all(float(line["mean"]) < 0.1 and line["steps"] == "64" for line in ends.values())


def test_a_curve_ends_where_no_float_can_hold_it(trained: Trained) -> None:
    params = jax.tree.map(lambda leaf: leaf * 0, trained.params)
    triangle = params["recurrent"]["recurrent_triangle"]
    params["recurrent"]["recurrent_triangle"] = triangle + 1e9
    points = by_network(trained._replace(params=params))[f"after {trained.step} updates"]
    assert 0 < points[-1].steps < 64
    assert all(np.isfinite([point.mean, point.std]).all() for point in points)
