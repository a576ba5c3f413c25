"""Rows on gradients through time: what they say, that no update knows of them, that they resume."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import CELLS
from asrnn.errors import ConfigError
from asrnn.reports.learning_curve import draw_learning_curve
from asrnn.reports.page import make_page
from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import read_config
from asrnn.sweeps.trials import Job, outcome
from asrnn.training import diagnostics, loop
from asrnn.training.examples import KeyPurpose, place_examples
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.loop import train_and_evaluate
from tests.sweeps.populations import make_jobs
from tests.sweeps.populations import run as run_population
from tests.training.runs import (
    Killed,
    after_update,
    arrays,
    assert_same_run,
    checkpoint,
    kill,
    rows,
    stop,
    tiny_config,
)

EVERY = {"training__diagnostics_every": 3}
NAMES = ("gradient_first", "gradient_middle", "gradient_last", "lyapunov")


def examined(workdir: Path) -> list[dict[str, Any]]:
    return [row for row in read_rows(workdir / "metrics.jsonl") if row["split"] == "diagnostics"]


def diagnose(experiment: Experiment, indices: Any = range(4), params: Any = None) -> dict[str, Any]:
    task = experiment.task
    parts = place_examples(task, task.source.load(lambda line: None), 0, 0)
    function = diagnostics.make_diagnose(experiment.model, task, experiment.objective)
    found = function(
        experiment.initial_params if params is None else params,
        experiment.hyper,
        parts.train,
        jnp.asarray(indices, jnp.int32),
        experiment.key(KeyPurpose.EVALUATION_NOISE),
    )
    return {name: float(value) for name, value in found.items()}


# ---- what the numbers are


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_the_gradients_are_those_of_the_loss_that_is_trained(readout: str) -> None:
    """By central differences of the whole network from the first, middle and last state on."""
    experiment = make_experiment(tiny_config(model__readout=readout))
    task, params = experiment.task, experiment.initial_params
    data = task.source.load(lambda line: None).train
    keys = jax.random.split(jax.random.key(0), 1)
    inputs = task.source.sequence(jnp.asarray(data["inputs"][7:8]), keys)  # type: ignore[union-attr]
    target = int(data["targets"][7])
    a = np.triu(np.zeros((8, 8)))
    a[np.triu_indices(8, 1)] = params["recurrent"]["recurrent_triangle"]
    matrix = a - a.T - float(experiment.hyper.coefficients["diffusion"]) * np.eye(8)
    kernel, bias = (np.asarray(params["recurrent"][k], float) for k in ("input_kernel", "bias"))
    head = {name: np.asarray(value, float) for name, value in params["head"].items()}
    xs = np.asarray(inputs, float)[:, 0]

    def loss(nudge: np.ndarray, at: int) -> float:
        h, states = np.zeros(8), []
        for t, x in enumerate(xs):
            h = h + 0.1 * np.tanh(matrix @ h + x @ kernel + bias) + (nudge if t == at else 0)
            states.append(h)
        read = states[-1] if readout == "last" else np.mean(states, 0)
        outputs = read @ head["kernel"] + head["bias"]
        return float(np.log(np.exp(outputs).sum()) - outputs[target])

    found = diagnose(experiment, [7])
    for name, at in (("first", 0), ("middle", 31), ("last", 63)):
        slopes = [(loss(1e-5 * e, at) - loss(-1e-5 * e, at)) / 2e-5 for e in np.eye(8)]
        assert found[f"gradient_{name}"] == pytest.approx(np.linalg.norm(slopes), rel=1e-3)


def test_without_recurrent_weights_the_exponent_is_the_decay_by_diffusion() -> None:
    """W = 0, V = 0 and b = 0 leave h -> (1 - ε γ) h near h = 0, and the loss of nothing."""
    fields = {"model__step_size": 0.5, "model__diffusion": 0.2, "model__init_scale": 0.0}
    experiment = make_experiment(tiny_config(**fields))
    params = jax.tree.map(jnp.zeros_like, experiment.initial_params)
    params["head"]["kernel"] = jnp.tile(jnp.arange(10.0), (8, 1))
    found = diagnose(experiment, params=params)
    decay = math.log(1 - 0.5 * 0.2)
    assert found["lyapunov"] == pytest.approx(decay, rel=1e-5)
    for name, steps in (("first", 63), ("middle", 32)):
        ratio = found[f"gradient_{name}"] / found["gradient_last"]
        assert math.log(ratio) == pytest.approx(steps * decay, rel=1e-4)


@pytest.mark.parametrize("name", ["gated_antisymmetric", "cornn"])
def test_a_cell_of_any_kind_is_examined_layer_by_layer(name: str) -> None:
    assert name in CELLS
    deep = diagnose(make_experiment(tiny_config(model__cell=name, model__num_layers=2)))
    assert set(deep) == {*NAMES, *(f"{n}_2" for n in NAMES)}
    assert all(math.isfinite(value) for value in deep.values())
    # Of an oscillator under Euler, a step's input does not reach the position in that step.
    assert all(deep[f"gradient_{at}"] > 0 for at in ("first", "middle"))
    assert (deep["gradient_last"] > 0) == (name != "cornn")


def test_with_the_last_state_read_only_its_own_layer_hears_of_the_end_at_the_end() -> None:
    """∂loss/∂h_T of a lower layer: it does reach the upper one within the step."""
    experiment = make_experiment(tiny_config(model__num_layers=2))
    whole = diagnose(experiment)
    params = jax.tree.map(jnp.copy, experiment.initial_params)
    params["recurrent_2"]["input_kernel"] = jnp.zeros_like(params["recurrent_2"]["input_kernel"])
    cut = diagnose(experiment, params=params)
    assert whole["gradient_last"] > 0
    assert [cut[f"gradient_{at}"] for at in ("first", "middle", "last")] == [0.0] * 3
    assert cut["gradient_first_2"] > 0


@pytest.mark.slow
def test_a_task_with_a_target_at_every_step_and_one_of_numbers_are_examined() -> None:
    copying = {"task__name": "copying", "model__readout": "every_step", "task__validation_size": 0}
    adding = {
        "task__name": "adding",
        "objective__name": "squared_error",
        "task__validation_size": 0,
    }
    for fields in (copying, adding):
        fields |= {"task__source": "generated"}
        found = diagnose(make_experiment(tiny_config(**fields)))
        assert all(math.isfinite(value) for value in found.values())
        assert found["gradient_last"] > 0


# ---- the rows of a run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("whole")
    train_and_evaluate(tiny_config(**EVERY), workdir)
    return workdir


def test_rows_come_at_the_start_and_at_every_period_before_the_validation(whole: Path) -> None:
    found = [(row["step"], row["split"]) for row in rows(whole)]
    assert found == [
        (0, "diagnostics"),
        (3, "diagnostics"),
        (5, "train"),
        (6, "diagnostics"),
        (7, "validation"),
        (9, "diagnostics"),
        (10, "train"),
        (12, "train"),
        (12, "diagnostics"),
        (12, "validation"),
        (found[-1][0], "test"),
    ]
    for row in examined(whole):
        assert set(row) == {"step", "split", *NAMES}
        assert all(math.isfinite(row[name]) for name in NAMES)
    assert len({row["lyapunov"] for row in examined(whole)}) == 5


def test_the_first_row_is_of_the_initial_parameters_and_the_first_examples(whole: Path) -> None:
    experiment = make_experiment(read_config(whole / "config.json"))
    task, config = experiment.task, experiment.config
    parts = place_examples(task, task.source.load(lambda line: None), 100, config.seed)
    function = diagnostics.make_diagnose(experiment.model, task, experiment.objective)
    first = loop.next_batches(task, config.seed, 0, 1, parts.train, 127)[0, :16]
    key = experiment.key(KeyPurpose.EVALUATION_NOISE)
    found = function(experiment.initial_params, experiment.hyper, parts.train, first, key)
    assert examined(whole)[0] == {"step": 0, "split": "diagnostics"} | {
        name: float(value) for name, value in found.items()
    }


def test_the_updates_and_scores_are_those_of_a_run_without(whole: Path, tmp_path: Path) -> None:
    train_and_evaluate(tiny_config(), tmp_path)
    assert [row for row in rows(whole) if row["split"] != "diagnostics"] == rows(tmp_path)
    assert arrays(checkpoint(whole).tree) == arrays(checkpoint(tmp_path).tree)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("step", [*(pytest.param(k, marks=SLOW) for k in (1, 3, 4, 12)), 7])
def test_a_run_stopped_and_resumed_has_the_same_rows(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, tiny_config(**EVERY), step=step)
    train_and_evaluate(tiny_config(**EVERY), tmp_path)
    assert_same_run(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 7, 10])
def test_a_run_killed_and_resumed_has_the_same_rows(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        after_update(patch, step, kill)
        with pytest.raises(Killed):
            train_and_evaluate(tiny_config(**EVERY), tmp_path)
    assert examined(tmp_path)  # before the first checkpoint too
    train_and_evaluate(tiny_config(**EVERY), tmp_path)
    assert_same_run(tmp_path, whole)


@pytest.mark.slow
def test_a_resumed_run_may_begin_to_be_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, step=5)
    train_and_evaluate(tiny_config(**EVERY), tmp_path)
    assert [row["step"] for row in examined(tmp_path)] == [6, 9, 12]


def test_it_is_compiled_once_and_not_at_all_when_it_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions: list[Any] = []
    make = loop.make_diagnose
    monkeypatch.setattr(
        loop, "make_diagnose", lambda *args: functions.append(make(*args)) or functions[-1]
    )
    train_and_evaluate(tiny_config(), tmp_path / "off")
    train_and_evaluate(tiny_config(**EVERY), tmp_path / "on")
    assert [function._cache_size() for function in functions] == [0, 1]


def test_whoever_reads_rows_copes_with_them(whole: Path, tmp_path: Path) -> None:
    job = Job(whole, read_config(whole / "config.json"))
    assert outcome(job).status == "done" and outcome(job).step == 12
    assert "diagnostics_every" in make_page(whole)
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("config.json", "metrics.jsonl"):
        (begun / name).write_text((whole / name).read_text())
    lines = (begun / "metrics.jsonl").read_text().splitlines(keepends=True)
    (begun / "metrics.jsonl").write_text(lines[0])
    assert "unfinished" in make_page(begun)
    assert outcome(job._replace(workdir=begun)).status == "started"
    draw_learning_curve(begun)


def test_a_negative_period_is_refused() -> None:
    with pytest.raises(ConfigError, match="diagnostics_every must be in"):
        train_and_evaluate(tiny_config(training__diagnostics_every=-1), "nowhere")


# ---- populations


@pytest.mark.slow
def test_each_member_of_a_population_has_rows_of_its_own(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path / "together", **EVERY)
    run_population(jobs)
    for job in jobs[:2]:
        alone = tmp_path / f"alone-{job.workdir.name}"
        train_and_evaluate(job.config, alone)
        found, expected = rows(job.workdir), rows(alone)
        assert [(r["step"], r["split"]) for r in found] == [
            (r["step"], r["split"]) for r in expected
        ]
        for one, other in zip(examined(job.workdir), examined(alone), strict=True):
            for name in NAMES:
                assert one[name] == pytest.approx(other[name], rel=2e-3, abs=1e-5)
    assert len({examined(job.workdir)[0]["gradient_last"] for job in jobs}) > 1
