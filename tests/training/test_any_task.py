"""Whatever is learnt: a run is resumed bit for bit, and goes into sweeps and populations.

Two layers, numbers as targets, a target at every step, and one's own data, some of which do not
count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from asrnn.objectives import objective_of
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.space import expand
from asrnn.sweeps.sweep import Sweep, run_sweep
from asrnn.sweeps.trials import Job, make_trials
from asrnn.training.loop import train_and_evaluate
from tests.sweeps.engine import in_process
from tests.sweeps.populations import assert_close, halt
from tests.sweeps.populations import run as run_population
from tests.training.runs import (
    assert_same_run,
    checkpoint,
    rows,
    stop,
    summary,
    tiny_config,
)

SMALL: dict[str, Any] = {
    "model__hidden_size": 6,
    "task__validation_size": 20,
    "training__batch_size": 7,
    "training__steps": 6,
    "training__log_every": 2,
    "training__eval_every": 4,
    "training__checkpoint_every": 6,
}
GENERATED: dict[str, Any] = {"task__source": "generated", "task__test_size": 20}

RUNS: dict[str, dict[str, Any]] = {
    "two_layers": {"model__num_layers": 2, "model__readout": "mean", "task__pool": 2},  # T = 16
    "adding": GENERATED
    | {"task__name": "adding", "task__length": 10, "objective__name": "squared_error"},
    "copying": GENERATED
    | {"task__name": "copying", "task__length": 1, "model__readout": "every_step"},  # T = 21
    "npz": {
        "task__name": "npz",
        "task__source": "npz",
        "task__test_size": 20,
        "objective__name": "squared_error",
        "model__readout": "every_step",
    },
}


def own_data(folder: Path) -> str:
    """The path of a file of sequences with a target at every step, of which the first is masked."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(80, 10, 2))
    targets = inputs[..., 0] + np.roll(inputs[..., 1], 1, axis=1)
    mask = np.broadcast_to(np.arange(10) > 0, (80, 10))
    path = folder / "own.npz"
    np.savez(path, inputs=inputs, targets=targets[..., None], mask=mask)
    return str(path)


QUICK = ("copying", "npz")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RUNS],
)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ConfigDict:
    fields = SMALL | RUNS[request.param]
    if request.param == "npz":
        fields["task__data_dir"] = own_data(tmp_path_factory.mktemp("data"))
    return tiny_config(**fields)


@pytest.fixture(scope="module")
def uninterrupted(
    config: ConfigDict,
    tmp_path_factory: pytest.TempPathFactory,
    compilation_cache: Path,
) -> Path:
    """The workdir of a run that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("uninterrupted")
    train_and_evaluate(config, workdir)
    return workdir


def jobs(config: ConfigDict, folder: Path) -> list[Job]:
    """Two members, of which the first is the run itself."""
    other = ConfigDict(config.to_dict())
    other.seed, other.optimizer.learning_rate = 1, 0.02
    return [Job(folder / "0", config), Job(folder / "1", other)]


def test_a_run_is_measured_by_its_own_metric(config: ConfigDict, uninterrupted: Path) -> None:
    objective = objective_of({"objective.name": config.objective.name})
    found, facts = rows(uninterrupted), summary(uninterrupted)
    assert [(row["step"], row["split"]) for row in found] == [
        *((2, "train"), (4, "train"), (4, "validation"), (6, "train"), (6, "validation")),
        (facts["best_step"], "test"),
    ]
    for row in found:
        assert {name for name in ("loss", "accuracy") if name in row} == objective.metrics.keys()
    scores = {
        row["step"]: row[objective.monitored] for row in found if row["split"] == "validation"
    }
    assert facts["best_step"] == min(scores, key=lambda step: objective.metric.cost(scores[step]))


def test_a_run_that_was_stopped_is_resumed_bit_for_bit(
    config: ConfigDict, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a log window."""
    said = stop(monkeypatch, tmp_path, config, step=3)
    assert said.startswith("stopped by SIGTERM at step 3 of 6, state saved")
    train_and_evaluate(config, tmp_path)
    assert_same_run(tmp_path, uninterrupted)


def test_a_sweep_ranks_runs_by_their_own_metric(
    config: ConfigDict, uninterrupted: Path, tmp_path: Path
) -> None:
    space = h.sweep("optimizer.learning_rate", [0.01, 1e-6])
    trials = make_trials(expand(space, 0))
    result = run_sweep(Sweep(config, trials, tmp_path), in_process)
    assert {found.status for found in result.outcomes.values()} == {"done"}
    metric = objective_of({"objective.name": config.objective.name}).metric
    costs = [metric.cost(score) for score, _ in result.ranking]
    assert costs == sorted(costs)
    assert_same_run(tmp_path / trials[0].id, uninterrupted)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("npz", marks=[pytest.mark.slow, pytest.mark.ci]),
        *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS if name != "npz"),
    ],
    indirect=True,
)
def test_a_population_has_each_run_to_rounding_and_is_resumed_bit_for_bit(
    config: ConfigDict, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = jobs(config, tmp_path / "whole"), jobs(config, tmp_path / "stopped")
    run_population(whole)
    assert_close(whole[0].workdir, uninterrupted)
    halt(monkeypatch, stopped, step=3)
    assert [checkpoint(job.workdir).step for job in stopped] == [3, 3]
    run_population(stopped)
    for job, other in zip(stopped, whole, strict=True):
        assert_same_run(job.workdir, other.workdir)
