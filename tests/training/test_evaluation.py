"""Evaluation counts every example once, and the test part is touched once, at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.config import to_json
from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.workdir import read_config
from asrnn.signals import StopRequest
from asrnn.trained import load
from asrnn.training import evaluation, loop
from asrnn.training.evaluation import evaluate, evaluate_workdir
from asrnn.training.examples import Examples, KeyPurpose, Parts, place_examples
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.loop import train_and_evaluate
from asrnn.training.members import make_program
from asrnn.training.population import Run, train_population
from asrnn.training.step import make_eval_step
from tests.training.runs import read_rows, summary, tiny_config


@pytest.fixture(scope="module")
def digits() -> Parts:
    task = make_experiment(tiny_config()).task
    return place_examples(task, task.source.load(lambda line: None), 100, 0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, compilation_cache: Path) -> Path:
    """A finished run whose best step is not its last."""
    workdir = tmp_path_factory.mktemp("done")
    config = tiny_config(training__eval_every=1, optimizer__learning_rate=1.0)
    found = train_and_evaluate(config, workdir)
    assert found["best_step"] not in (None, found["steps"])
    return workdir


def train_alone(workdir: Path) -> None:
    train_and_evaluate(read_config(workdir / "config.json"), workdir)


def train_as_population(workdir: Path) -> None:
    experiment = make_experiment(read_config(workdir / "config.json"))
    data = experiment.task.source.load(lambda line: None)
    program = make_program(experiment, 1)
    train_population([Run(experiment, workdir)], program, data, StopRequest(), lambda i: None)


def scores(
    experiment: Experiment, examples: Examples, key: jax.Array | None = None
) -> dict[str, float]:
    found = evaluate(
        make_eval_step(experiment.model, experiment.task, experiment.objective),
        experiment.initial_params,
        experiment.hyper,
        examples,
        experiment.key(KeyPurpose.EVALUATION_NOISE) if key is None else key,
        experiment.objective,
    )
    assert found is not None
    return found


@pytest.mark.parametrize("size", [7, 50, 500])
def test_every_example_counts_once_whatever_the_batch_size(
    size: int, digits: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert digits.validation is not None
    experiment = make_experiment(tiny_config())
    inputs = experiment.task.source.sequence(digits.validation.data["inputs"], jnp.zeros(0))
    logits = experiment.model.outputs(
        experiment.initial_params, experiment.hyper.coefficients, inputs
    )
    labels = digits.validation.data["targets"]
    losses = -jax.nn.log_softmax(logits)[jnp.arange(100), labels]
    monkeypatch.setattr(evaluation, "BATCH_SIZE", size)
    found = scores(experiment, digits.validation)
    assert found["accuracy"] == np.mean(logits.argmax(-1) == labels)
    np.testing.assert_allclose(found["loss"], np.mean(losses), rtol=1e-6)


def test_the_noise_of_an_example_depends_neither_on_its_batch_nor_on_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(task__name="noise_padded_cifar10", task__source="tfds")
    experiment = make_experiment(config)
    images = jax.random.randint(jax.random.key(1), (11, 32, 32, 3), 0, 256).astype(jnp.uint8)
    examples = Examples({"inputs": images, "targets": jnp.arange(11) % 10})
    found = []
    for size in (4, 11):
        monkeypatch.setattr(evaluation, "BATCH_SIZE", size)
        found.append(scores(experiment, examples)["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    other = scores(experiment, examples, jax.random.key(5))["loss"]
    assert abs(other - found[0]) > 1e-4


def test_an_evaluation_that_is_no_longer_wanted_has_no_result(digits: Parts) -> None:
    experiment = make_experiment(tiny_config())
    calls = 0

    def eval_step(*args: Any) -> None:
        nonlocal calls
        calls += 1

    assert (
        evaluate(
            eval_step,
            {},
            experiment.hyper,
            digits.test,
            jax.random.key(0),
            experiment.objective,
            lambda: False,
        )
        is None
    )
    assert calls == 0


def test_the_test_part_is_touched_once_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[tuple[str, int]] = []
    parts: list[Parts] = []

    def place(*args: Any) -> Parts:
        parts.append(place_examples(*args))
        return parts[0]

    def name(examples: Examples) -> str:
        sizes = {field: getattr(parts[0], field).number for field in Parts._fields}
        return next(field for field, size in sizes.items() if size == examples.number)

    make_train, make_eval = loop.make_train_steps, loop.make_eval_step

    def spy_on_training(*args: Any) -> Any:
        train_steps = make_train(*args)

        def spy(*args: Any) -> Any:
            touched.append((name(args[3]), int(args[0].step)))
            return train_steps(*args)

        return spy

    def spy_on_evaluation(*args: Any) -> Any:
        eval_step = make_eval(*args)

        def spy(*args: Any) -> Any:
            touched.append((name(args[2]), len(args[3])))
            return eval_step(*args)

        return spy

    monkeypatch.setattr(loop, "place_examples", place)
    monkeypatch.setattr(loop, "make_train_steps", spy_on_training)
    monkeypatch.setattr(loop, "make_eval_step", spy_on_evaluation)
    train_and_evaluate(tiny_config(), tmp_path)
    assert [part for part, _ in touched].count("test") == 1  # its 355 are one batch
    assert touched[-1] == ("test", 355)
    assert {part for part, _ in touched[:-1]} == {"train", "validation"}


def test_validation_picks_the_best_parameters_and_the_first_of_equals(done: Path) -> None:
    validation = {
        row["step"]: row["accuracy"]
        for row in read_rows(done / "metrics.jsonl")
        if row["split"] == "validation"
    }
    best = max(validation.values())
    found = summary(done)
    assert found["validation_accuracy"] == best
    assert found["best_step"] == min(step for step, value in validation.items() if value == best)
    test = read_rows(done / "metrics.jsonl")[-1]
    assert (test["split"], test["step"]) == ("test", found["best_step"])


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluating_a_workdir_gives_the_number_of_its_summary(split: str, done: Path) -> None:
    found = evaluate_workdir(done, split)
    assert found["accuracy"] == summary(done)[f"{split}_accuracy"]
    assert found["step"] == summary(done)["best_step"]
    assert found["examples"] == {"validation": 100, "test": 355}[split]


def test_the_training_part_can_be_evaluated_too(done: Path) -> None:
    assert evaluate_workdir(done, "train")["examples"] == 1442 - 100


def damage_best(workdir: Path) -> int:
    best: int = summary(workdir)["best_step"]
    (workdir / "checkpoints" / str(best) / "_METADATA").unlink()
    return best


def test_for_a_damaged_best_checkpoint_the_latest_is_evaluated_with_a_word(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(done, tmp_path / "run")
    best = damage_best(tmp_path / "run")
    found = evaluate_workdir(tmp_path / "run", "test")
    assert found["step"] == 12
    said = capsys.readouterr().err
    assert said.startswith(f"the best checkpoint, {best}, is damaged (sha256 of {best}/_METADATA")
    assert said.endswith("; evaluating the latest instead\n")


@pytest.mark.parametrize(
    "engine", [train_alone, pytest.param(train_as_population, marks=pytest.mark.slow)]
)
def test_for_a_damaged_best_checkpoint_the_last_parameters_are_tested_and_the_summary_says_so(
    engine: Callable[[Path], None],
    done: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(done, tmp_path / "run")
    written = tmp_path / "run" / "summary.json"
    written.unlink()  # as if it had been killed before it
    engine(tmp_path / "run")
    sound = summary(tmp_path / "run")
    assert sound["test_step"] == sound["best_step"] == summary(done)["best_step"]
    best = damage_best(tmp_path / "run")
    written.unlink()
    engine(tmp_path / "run")
    found = summary(tmp_path / "run")
    assert (found["status"], found["best_step"], found["test_step"]) == ("done", best, 12)
    assert found["validation_accuracy"] == summary(done)["validation_accuracy"]
    row = read_rows(tmp_path / "run" / "metrics.jsonl")[-1]
    assert (row["split"], row["step"], row["accuracy"]) == ("test", 12, found["test_accuracy"])
    assert f"the best checkpoint, {best}, is damaged" in capsys.readouterr().err


def test_without_a_validation_part_the_last_parameters_are_tested(tmp_path: Path) -> None:
    found = train_and_evaluate(tiny_config(task__validation_size=0), tmp_path)
    assert found["validation_accuracy"] is None
    assert found["best_step"] is None
    again = evaluate_workdir(tmp_path, "test")
    assert again["step"] == 12
    assert again["accuracy"] == found["test_accuracy"]
    with pytest.raises(ConfigError, match="no validation part; give --split=test"):
        evaluate_workdir(tmp_path, "validation")


def test_what_is_no_workdir_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json not found; is .* the workdir of a run"):
        evaluate_workdir(tmp_path, "test")
    (tmp_path / "config.json").write_text(to_json(tiny_config()))
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*; train first"):
        evaluate_workdir(tmp_path, "test")


@pytest.mark.parametrize("trials", [[], ["b2", "a1"]])
def test_the_folder_of_a_sweep_is_refused_with_a_trial_of_it(
    trials: list[str], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(to_json(tiny_config()))
    (tmp_path / "trials.jsonl").write_text("")
    for trial in trials:
        (tmp_path / trial / "checkpoints").mkdir(parents=True)
    named = tmp_path / (min(trials) if trials else "ID")
    with pytest.raises(ConfigError, match=f"is the folder of a sweep; .* --workdir={named}$"):
        evaluate_workdir(tmp_path, "test")


@pytest.mark.parametrize(
    "changes",
    [
        {"model.substeps": 8},
        {"model.discretization": "implicit_midpoint", "model.tolerance": 1e-6},
    ],
)
def test_a_trained_ode_can_be_evaluated_under_another_discretisation(
    done: Path, changes: dict[str, Any]
) -> None:
    """With small steps Euler's states are nearly the ODE's, and those of other schemes nearer."""
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
    small, rk4 = {"model.step_size": 0.002}, {"model.discretization": "rk4"}
    ode, euler, other = (load(done, small | it).states(images) for it in (rk4, {}, changes))
    distance, euler_distance = (np.abs(found - ode).max() for found in (other, euler))
    assert 0 < euler_distance < 0.2 * np.abs(ode).max()
    assert distance < 0.3 * euler_distance


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"model.hidden_size": 9},
            "what can be changed of a trained network .*hidden_size",
        ),
        ({"model.discretization": "leapfrog"}, "leapfrog needs a split form"),
        ({"model.step_size": -1.0}, "config.model.step_size must be positive"),
        ({"model.tolerance": 1e-3}, "config.model.tolerance=0.001 is not read by .*euler"),
    ],
)
def test_what_cannot_be_changed_of_a_trained_network_is_refused(
    done: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load(done, changes)
