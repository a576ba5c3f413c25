"""A network written for other programs is, read back, the one that `asrnn.load` gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import export

from asrnn.config import base_config
from asrnn.errors import ConfigError
from asrnn.formats import FORMATS, write_network
from asrnn.runs.checkpoints import flat_leaves
from asrnn.trained import Trained, TrainedNetwork, load, make_experiment
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import call, one_line, tiny_config

INPUTS = np.random.default_rng(0).normal(size=(3, 64, 1)).astype(np.float32)


def untrained(**changes: Any) -> TrainedNetwork:
    experiment = make_experiment(tiny_config(**changes))
    return TrainedNetwork(Trained(experiment, experiment.initial_params, 0))


def probabilities(outputs: Any) -> np.ndarray:
    return np.asarray(jax.nn.softmax(np.asarray(outputs)))


def read_npz(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with np.load(path, allow_pickle=False) as file:
        found = dict(file)
    return found, json.loads(str(found.pop("metadata")))


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(path, "np") as file:
        names = list(file.keys())
        return {name: file.get_tensor(name) for name in names}, file.metadata()


def run_step_by_step(path: Path, inputs: np.ndarray) -> list[np.ndarray]:
    """The outputs after each step, from the file alone."""
    function = export.deserialize(path.read_bytes())
    *shapes, _ = function.in_avals
    batch = len(inputs)
    carry = tuple(
        np.zeros([n if isinstance(n, int) else batch for n in leaf.shape], leaf.dtype)
        for leaf in shapes
    )
    outputs, step = [], jax.jit(function.call)
    for x in inputs.swapaxes(0, 1):
        carry, found = step(carry, x)
        outputs.append(np.asarray(found))
    return outputs


@pytest.mark.parametrize(("kind", "read"), [("npz", read_npz), ("safetensors", read_safetensors)])
def test_parameters_are_read_back_with_their_config(kind: str, read: Any, tmp_path: Path) -> None:
    network = untrained(model__num_layers=2)
    write_network(network, kind, tmp_path / "new" / "file")
    arrays, metadata = read(tmp_path / "new" / "file")
    expected = flat_leaves(network.params)
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])
        assert array.dtype == np.float32
    assert json.loads(metadata["config"]) == network.config.to_dict()
    assert metadata["step"] == "0"


def test_a_function_of_sequences_is_the_network(tmp_path: Path) -> None:
    network = untrained()
    write_network(network, "stablehlo", tmp_path / "file")
    function = export.deserialize((tmp_path / "file").read_bytes())
    for number in (3, 1):  # both sizes are free
        found = function.call(INPUTS[:number])
        np.testing.assert_allclose(
            probabilities(found), network.probabilities(INPUTS[:number]), rtol=1e-5
        )
    assert function.call(INPUTS[:, :5]).shape == (3, 10)
    assert "stablehlo" in function.mlir_module()


@pytest.mark.parametrize(
    "changes",
    [
        {"model__num_layers": 2, "model__discretization": "ab2"},  # its carry has a counter
        {"model__cell": "lstm", "model__step_size": 0.01},
    ],
    ids=["ab2", "lstm"],
)
def test_a_function_of_one_step_leads_to_the_outputs_of_the_network(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    network = untrained(**changes)
    write_network(network, "stablehlo", tmp_path / "file", step=True)
    outputs = run_step_by_step(tmp_path / "file", INPUTS)
    assert len(outputs) == 64
    np.testing.assert_allclose(probabilities(outputs[-1]), network.probabilities(INPUTS), rtol=1e-4)


def test_a_mean_over_time_has_no_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a step has no output; export the network without"):
        write_network(untrained(model__readout="mean"), "stablehlo", tmp_path / "x", step=True)


def test_without_its_library_a_format_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ConfigError, match=r"needs safetensors.*pip install safetensors"):
        write_network(untrained(), "safetensors", tmp_path / "x")


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_is_exported_from_the_shell(tmp_path: Path) -> None:
    train_and_evaluate(tiny_config(optimizer__ema_decay=0.5), tmp_path / "run")
    network = load(tmp_path / "run")
    done = call("export", "--workdir=run", "--format=npz", cwd=tmp_path)
    assert done.stdout == "written: run/network.npz\n", done.stderr
    arrays, _ = read_npz(tmp_path / "run" / "network.npz")
    for name, leaf in flat_leaves(network.params).items():
        np.testing.assert_array_equal(arrays[name], leaf)
    words = ("--workdir=run", "--format=stablehlo", "--step", "--out=here/s.bin")
    assert call("export", *words, cwd=tmp_path).stdout == "written: here/s.bin\n"
    outputs = run_step_by_step(tmp_path / "here" / "s.bin", INPUTS)
    np.testing.assert_allclose(probabilities(outputs[-1]), network.probabilities(INPUTS), rtol=1e-4)
    for args, text in (
        (("--workdir=run", "--format=onnx"), "value should be one of <npz|safetensors|stablehlo>"),
        (("--workdir=run", "--format=npz", "--step"), "--step can be used only with"),
    ):
        done = call("export", *args, cwd=tmp_path)
        assert done.returncode == 2
        assert text in one_line(done.stderr, "asrnn.export: ")


def test_every_format_is_tested_here() -> None:
    assert FORMATS.keys() == {"npz", "safetensors", "stablehlo"}
    assert base_config().model.readout == "last"
