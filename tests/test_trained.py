"""A trained network in two lines: from a workdir or by name, it predicts what it learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

import asrnn
from asrnn import pretrained, trained
from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.workdir import read_config
from asrnn.tasks import make_task
from asrnn.trained import TrainedNetwork, export, load
from asrnn.training.loop import train_and_evaluate
from tests.command.calls import call as call_here
from tests.command.calls import flag_values
from tests.training.runs import arrays, call, one_line, summary, tiny_config

__all__ = ["call_here", "flag_values"]

RNG = np.random.default_rng(0)


def ignore(line: str) -> None:
    del line


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on digits whose best step is not its last."""
    workdir = tmp_path_factory.mktemp("run")
    config = tiny_config(training__eval_every=1, optimizer__learning_rate=1.0)
    found = train_and_evaluate(config, workdir)
    assert found["best_step"] not in (None, found["steps"])
    return workdir


@pytest.fixture(scope="module")
def network(run: Path) -> TrainedNetwork:
    return load(run)


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    """The test part."""
    return make_task("digits").source.load(ignore).test  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("regression")
    config = tiny_config(
        task__name="adding",
        task__source="generated",
        task__length=6,
        task__test_size=20,
        task__validation_size=0,
        objective__name="squared_error",
        training__steps=2,
    )
    train_and_evaluate(config, workdir)
    return workdir


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where networks that ship are, instead of in the package."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    return folder


# ---- from a workdir


def test_the_package_offers_it_by_the_name_load() -> None:
    assert asrnn.load is load


def test_it_predicts_what_the_run_was_tested_on(
    run: Path, network: TrainedNetwork, digits: dict[str, np.ndarray]
) -> None:
    predicted = network.predict(digits["inputs"])
    assert predicted.dtype == np.int32
    accuracy = np.mean(predicted == digits["targets"])
    assert accuracy == pytest.approx(summary(run)["test_accuracy"], abs=1e-12)
    assert network.evaluate()["accuracy"] == summary(run)["test_accuracy"]


def test_it_is_the_best_checkpoint_with_its_config_and_parameters(
    run: Path, network: TrainedNetwork
) -> None:
    assert network.step == summary(run)["best_step"]
    assert network.config.to_dict() == read_config(run / "config.json").to_dict()
    count = sum(leaf.size for leaf in jax.tree.leaves(network.params))
    assert count == summary(run)["num_parameters"]


def test_probabilities_sum_to_one_and_the_largest_is_the_prediction(
    network: TrainedNetwork, digits: dict[str, np.ndarray]
) -> None:
    images = digits["inputs"][:7]
    probabilities = network.probabilities(images)
    assert probabilities.shape == (7, 10)
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(-1), network.predict(images))


def test_the_last_of_the_states_gives_the_outputs(
    network: TrainedNetwork, digits: dict[str, np.ndarray]
) -> None:
    images = digits["inputs"][:3]
    states = network.states(images)
    assert states.shape == (3, 64, 8)
    head = network.params["head"]
    outputs = states[:, -1] @ np.asarray(head["kernel"]) + np.asarray(head["bias"])[None]
    np.testing.assert_array_equal(outputs.argmax(-1), network.predict(images))


def test_images_and_the_sequences_made_of_them_are_one_input(
    network: TrainedNetwork, digits: dict[str, np.ndarray]
) -> None:
    images = digits["inputs"][:5]
    expected = network.probabilities(images)
    sequences = images.reshape(5, 64, 1) / 255.0
    np.testing.assert_array_equal(network.probabilities(images[..., 0]), expected)
    # Two programs for one network: equal to rounding, on the scale of probabilities, which is 1.
    found = network.probabilities(sequences)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_batches_change_nothing_and_are_compiled_once(
    run: Path, digits: dict[str, np.ndarray]
) -> None:
    network = load(run)
    whole = network.probabilities(digits["inputs"][:230])
    one_by_one = [network.probabilities(digits["inputs"][i : i + 1])[0] for i in (0, 99, 100, 229)]
    np.testing.assert_allclose(one_by_one, whole[[0, 99, 100, 229]], rtol=1e-5)
    assert network._outputs._cache_size() == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "inputs",
    [
        RNG.integers(0, 255, (2, 4, 16)).astype(np.uint8),  # as many pixels
        RNG.integers(0, 255, (2, 8, 8, 3)).astype(np.uint8),
        np.zeros((0, 8, 8), np.uint8),
        RNG.normal(size=(2, 64)),
        RNG.normal(size=(2, 64, 1)).astype(complex),
        np.array(["seven"]),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_line(
    inputs: np.ndarray, network: TrainedNetwork
) -> None:
    with pytest.raises(ConfigError, match=r"of task digits are uint8 images \[N, 8, 8, 1\]") as it:
        network.predict(inputs)
    assert f"found {inputs.dtype} {list(inputs.shape)}" in str(it.value)
    assert "\n" not in str(it.value)


def test_numbers_that_are_not_finite_are_refused(network: TrainedNetwork) -> None:
    with pytest.raises(ConfigError, match="not finite"):
        network.predict(np.full((1, 64, 1), np.nan))


def untrained(config: ConfigDict) -> TrainedNetwork:
    """The network of a config at its initial parameters."""
    experiment = trained.make_experiment(config)
    return TrainedNetwork(trained.Trained(experiment, experiment.initial_params, 0))


@pytest.mark.slow
def test_noise_is_that_of_an_evaluation() -> None:
    """Whichever batch an example is in; and two examples have two."""
    config = tiny_config(task__name="noise_padded_cifar10", task__source="tfds")
    network = untrained(config)
    image = RNG.integers(0, 255, (1, 32, 32, 3)).astype(np.uint8)
    first, second = network.probabilities(np.repeat(image, 2, 0))
    np.testing.assert_array_equal(network.probabilities(image)[0], first)
    assert np.abs(first - second).max() > 1e-6


def test_a_regression_predicts_numbers_and_has_no_probabilities(regression: Path) -> None:
    network = load(regression)
    inputs = RNG.normal(size=(3, 6, 2))
    assert network.predict(inputs).shape == (3, 1)
    assert network.predict(inputs).dtype == np.float32
    with pytest.raises(ConfigError, match="are numbers, which have no probabilities; use predict"):
        network.probabilities(inputs)
    with pytest.raises(ConfigError, match=r"of task adding are sequences of numbers \[N, 6, 2\]"):
        network.predict(np.zeros((3, 6, 2, 1), np.uint8))


def test_with_a_target_at_every_step_there_is_a_prediction_at_every_step() -> None:
    config = tiny_config(
        task__name="copying",
        task__source="generated",
        task__length=5,
        task__test_size=20,
        task__validation_size=0,
        model__readout="every_step",
    )
    network = untrained(config)
    task = network.experiment.task
    inputs = np.zeros((2, task.length, task.input_size))
    assert network.predict(inputs).shape == (2, task.length)
    assert network.probabilities(inputs).shape == (2, task.length, task.output_size)
    assert network.states(inputs).shape == (2, task.length, 8)


def test_what_is_neither_a_workdir_nor_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ships with asrnn; .*did you mean 'mnist-gated'"):
        load("mnist-gatde")
    with pytest.raises(ConfigError, match=r"config\.json not found; is .* the workdir of a run"):
        load(tmp_path)


# ---- networks that ship


@pytest.mark.parametrize("name", pretrained.names())
def test_what_ships_is_whole_and_says_where_it_comes_from(name: str) -> None:
    network, facts = load(name), pretrained.read(name).facts
    count = sum(leaf.size for leaf in jax.tree.leaves(network.params))
    assert (facts["name"], facts["num_parameters"]) == (name, count)
    commands = ("python -m asrnn.train --config=configs/", "python -m asrnn.reproduce table")
    assert facts["command"].startswith(commands)
    assert 0 < facts["test_accuracy"] < 1
    assert facts["seed"] == network.config.seed
    assert network.config.task.data_dir == ""


def test_mnist_gated_ships() -> None:
    probabilities = load("mnist-gated").probabilities(np.zeros((1, 28, 28), np.uint8))
    assert probabilities.shape == (1, 10)
    assert np.isfinite(probabilities).all()


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one network x."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "FOLDER", folder)
        assert export(run, "x", "python -m asrnn.train ...", "here") == folder / "x.npz"
    return folder


def test_what_is_exported_is_loaded_by_name(
    run: Path,
    network: TrainedNetwork,
    digits: dict[str, np.ndarray],
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", exported)
    assert pretrained.names() == ["x"]
    found = load("x")
    assert found.step == network.step
    images = digits["inputs"][:9]
    assert arrays(found.params) == arrays(network.params)
    np.testing.assert_allclose(  # by the fastest recurrence here, and by scan
        found.probabilities(images), network.probabilities(images), atol=1e-3
    )
    facts = json.loads((exported / "x.json").read_text())
    for part in ("validation", "test"):
        assert facts[f"{part}_accuracy"] == summary(run)[f"{part}_accuracy"]
    assert (facts["command"], facts["note"]) == ("python -m asrnn.train ...", "here")
    assert (facts["seed"], facts["config"]["recurrence"]["backend"]) == (0, "auto")


@pytest.mark.parametrize("name", ["", "Digits", "a/b", "../x", "-x"])
def test_a_name_that_is_no_file_name_everywhere_is_refused(
    name: str, run: Path, shelf: Path
) -> None:
    with pytest.raises(ConfigError, match="the name of a trained network has lower-case letters"):
        export(run, name, "command")
    assert not list(shelf.iterdir())


def test_a_run_that_is_not_finished_is_not_exported(
    run: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "read_summary", lambda workdir: None)
    with pytest.raises(ConfigError, match="is not finished; run its command again first"):
        export(run, "x", "command")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_a_field(path: Path) -> None:
    facts = json.loads(path.read_text())
    del facts["sha256"]
    path.write_text(json.dumps(facts))


def of_another_size(path: Path) -> None:
    facts = json.loads(path.read_text())
    facts["config"]["model"]["hidden_size"] = 9
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("file", "hurt", "words"),
    [
        ("x.npz", flip_a_bit, "the sha256 of x.npz is not the recorded one"),
        ("x.npz", Path.unlink, "No such file"),
        ("x.json", without_a_field, "sha256"),
        ("x.json", lambda path: path.write_text("{"), "is damaged"),
        ("x.json", of_another_size, "not those of its config"),
    ],
)
def test_damaged_files_are_noticed(
    file: str, hurt: Any, words: str, exported: Path, shelf: Path
) -> None:
    shutil.copytree(exported, shelf, dirs_exist_ok=True)
    hurt(shelf / file)
    with pytest.raises(CheckpointError, match=words) as it:
        load("x")
    assert "\n" not in str(it.value)


# ---- commands


def test_predictions_from_the_shell(
    run: Path,
    network: TrainedNetwork,
    digits: dict[str, np.ndarray],
    tmp_path: Path,
    call_here: Any,
) -> None:
    images = digits["inputs"][:3]
    for i, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{i}.png")
    done = call("predict", f"--workdir={run}", "--input=[0-2].png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    probabilities = network.probabilities(images)
    for i, line in enumerate(done.stdout.splitlines()):
        name, predicted, probability = line.split("\t")
        assert (name, int(predicted)) == (f"{i}.png", probabilities[i].argmax())
        assert float(probability) == pytest.approx(probabilities[i].max(), abs=6e-5)
    assert len(done.stdout.splitlines()) == 3

    np.savez(tmp_path / "in.npz", inputs=images)
    arguments = (f"--workdir={run}", "--input=in.npz", "--out=out.npz")
    here = call_here(*arguments, name="asrnn.predict")
    assert here.out == "written: out.npz\n", here.err
    with np.load(tmp_path / "out.npz") as file:
        np.testing.assert_array_equal(file["predictions"], network.predict(images))
        np.testing.assert_allclose(file["probabilities"], probabilities, rtol=1e-5)


def test_a_regression_is_predicted_and_evaluated_by_the_commands(
    regression: Path, tmp_path: Path, call_here: Any
) -> None:
    inputs = RNG.normal(size=(2, 6, 2))
    np.savez(tmp_path / "in.npz", inputs)
    done = call_here(f"--workdir={regression}", "--input=in.npz", name="asrnn.predict")
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == ["0", "1"]
    expected = load(regression).predict(inputs)
    np.testing.assert_allclose([[float(line[1])] for line in lines], expected, rtol=1e-4)

    assert "predicting 2 examples" in done.err.splitlines()

    done = call_here(f"--workdir={regression}", name="asrnn.evaluate")
    assert "evaluating 20 test examples" in done.err.splitlines()
    assert done.out.startswith("test loss "), done.err
    first, second = done.out.splitlines()
    assert first.endswith(", checkpoint 2, 20 examples")
    assert second.startswith("number 0: root mean squared error ")


def test_an_evaluation_as_json_has_a_row_a_line_and_says_what_was_written(
    run: Path, tmp_path: Path, call_here: Any
) -> None:
    arguments = (f"--workdir={run}", f"--out={tmp_path / 'out.npz'}")
    plain = call_here(*arguments, name="asrnn.evaluate")
    assert plain.out.splitlines()[-1] == f"written: {tmp_path / 'out.npz'}", plain.err
    done = call_here(*arguments, "--json", name="asrnn.evaluate")
    found = json.loads(done.out)
    assert found["accuracy"] == summary(run)["test_accuracy"]
    rows = found["confusion_matrix"]
    lines = [line.strip(" ,") for line in done.out.splitlines()]
    assert [line for line in lines if line.startswith("[") and line != "["] == [
        json.dumps(row) for row in rows
    ]
    assert len(lines) == 2 + len(found) + len(rows) + 1
    assert f"written: {tmp_path / 'out.npz'}" in done.err.splitlines()


@pytest.mark.parametrize(
    ("module", "args", "code", "words"),
    [
        ("evaluate", ["--workdir=x", "--pretrained=mnist-gated"], 2, "cannot be combined"),
        ("evaluate", ["--pretrained=mnist"], 2, "no trained network of that name"),
        ("predict", ["--pretrained=mnist-gated", "--input=none.png"], 3, "none.png not found"),
        ("export", ["--workdir=x", "--name=y"], 2, "no command given"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(
    module: str, args: list[str], code: int, words: str, call_here: Any
) -> None:
    done = call_here(*args, name=f"asrnn.{module}")
    assert done.code == code, done.err
    assert words in one_line(done.err, f"asrnn.{module}: ")
