"""Nothing is compiled twice: neither for other numbers nor for a shorter dispatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.objectives import CROSS_ENTROPY
from asrnn.training import dispatch_size, loop, step
from asrnn.training.examples import KeyPurpose, place_examples
from asrnn.training.experiment import make_experiment
from asrnn.training.loop import train_and_evaluate
from asrnn.training.step import empty_window, is_finite, make_eval_step, make_train_steps
from tests.training.runs import stop, tiny_config


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every trace of a function of `asrnn.training.step`, so with every compilation."""
    seen: list[str] = []
    jit = step.jax.jit

    def counting(function: Any, **options: Any) -> Any:
        def traced(*args: Any) -> Any:
            seen.append(function.__name__)
            return function(*args)

        return jit(traced, **options)

    monkeypatch.setattr(step.jax, "jit", counting)
    return seen


def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The jitted functions of the runs to come."""
    functions: list[Any] = []
    for name in ("make_train_steps", "make_eval_step"):
        make = getattr(loop, name)

        def spy(*args: Any, make: Any = make) -> Any:
            functions.append(make(*args))
            return functions[-1]

        monkeypatch.setattr(loop, name, spy)
    return functions


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_run_compiles_its_update_once_however_many_are_dispatched(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_size, "SECONDS", seconds)
    functions = compilations(monkeypatch)
    train_and_evaluate(tiny_config(), tmp_path)
    train_steps, eval_step = functions
    assert train_steps._cache_size() == 1
    assert eval_step._cache_size() == 2  # 100 validation examples at once, and 355 of the test


def test_a_resumed_run_compiles_its_update_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, step=3)
    functions = compilations(monkeypatch)
    train_and_evaluate(tiny_config(), tmp_path)
    assert functions[0]._cache_size() == 1
    assert functions[1]._cache_size() == 2


def test_other_hyperparameters_compile_nothing(traces: list[str]) -> None:
    config = tiny_config(optimizer__name="adam", optimizer__clip_norm=1.0)
    experiment = make_experiment(config)
    task, objective = experiment.task, experiment.objective
    parts = place_examples(task, task.source.load(lambda line: None), 0, 0)
    train_steps = make_train_steps(experiment.model, task, objective, experiment.settings)
    eval_step = make_eval_step(experiment.model, task, objective)
    indices = np.arange(4 * 16, dtype=np.int32).reshape(4, 16)
    mask = np.ones(16, np.float32)
    results = []
    for changes in (
        {},
        {"model__step_size": 0.2},
        {"model__diffusion": 0.5},
        {"optimizer__learning_rate": 0.3},
        {"optimizer__epsilon": 1e-3},
        {"optimizer__clip_norm": 0.01},
    ):
        hyper = make_experiment(
            tiny_config(optimizer__name="adam", **{"optimizer__clip_norm": 1.0} | changes)
        ).hyper
        state, _ = train_steps(
            experiment.initial_snapshot().state,
            empty_window(objective),
            hyper,
            parts.train,
            indices,
            3,
            experiment.key(KeyPurpose.TRAINING_NOISE),
        )
        counts = eval_step(
            state.params,
            hyper,
            parts.test,
            indices[0],
            mask,
            experiment.key(KeyPurpose.EVALUATION_NOISE),
        )
        results.append(float(counts["loss"]))
    assert traces == ["train_steps", "eval_step"]
    assert len(set(results)) == len(results)  # and yet each counted


def test_sums_of_a_window_start_at_nothing() -> None:
    window = empty_window(CROSS_ENTROPY)
    names = {"steps", "loss", "accuracy", "grad_norm", "learning_rate"}
    assert {name: float(value) for name, value in window.items()} == dict.fromkeys(names, 0.0)
    assert bool(is_finite(window))
    assert not bool(is_finite(window | {"loss": jnp.array(jnp.nan)}))
    assert not bool(is_finite(window | {"grad_norm": jnp.array(jnp.inf)}))
