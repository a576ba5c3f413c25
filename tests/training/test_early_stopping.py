"""Runs that end before their last step, are made longer, or have every comfort at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from asrnn.errors import ConfigError
from asrnn.reports.closing_tables import summary_table
from asrnn.reports.runs import read_run
from asrnn.runs.workdir import read_config
from asrnn.sweeps.trials import Job, outcome
from asrnn.trained import load
from asrnn.training import evaluation
from asrnn.training.loop import train_and_evaluate
from tests.sweeps.populations import assert_close
from tests.sweeps.populations import run as run_population
from tests.training.runs import (
    arrays,
    assert_same_run,
    checkpoint,
    rows,
    stop,
    summary,
    tiny_config,
)

EVERYTHING: dict[str, Any] = {
    "optimizer__name": "optax",
    "optimizer__function": "adan",
    "optimizer__arguments": "b1=0.9",
    "optimizer__learning_rate": 0.05,
    "optimizer__warmup_steps": 3,
    "optimizer__ema_decay": 0.8,
    "model__readout_dropout": 0.2,
    "training__batch_size": 126,
    "training__accumulate": 3,
}


def impatient(**changes: Any) -> ConfigDict:
    """A rate so high that accuracy soon gets worse; validated after every second update."""
    fields = {"optimizer__learning_rate": 1.0, "training__eval_every": 2, "training__steps": 40}
    return tiny_config(**fields | {"training__patience": 2} | changes)


@pytest.fixture(scope="module", autouse=True)
def small_evaluation_batches() -> Iterator[None]:
    """Two batches of validation, so that a signal may come in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "BATCH_SIZE", 50)
        yield


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, small_evaluation_batches: None) -> Path:
    """A run that lost its patience; the tests leave it as it is."""
    workdir = tmp_path_factory.mktemp("ended")
    train_and_evaluate(impatient(), workdir)
    return workdir


def accuracies(workdir: Path) -> dict[int, float]:
    return {row["step"]: row["accuracy"] for row in rows(workdir) if row["split"] == "validation"}


def test_a_run_ends_when_so_many_validations_brought_nothing_better(ended: Path) -> None:
    found, validated = summary(ended), accuracies(ended)
    last = max(validated)
    assert last < 40
    best = max(validated, key=lambda step: (validated[step], -step))
    assert last == best + 2 * 2
    assert (found["status"], found["steps"], found["best_step"]) == ("done", last, best)
    assert found["test_step"] == best
    assert (found["exhausted_patience"], found["steps_asked"]) == (2, 40)
    assert checkpoint(ended).step == last
    assert f"{last} in" in summary_table(found)
    assert "(of 40: patience of 2 exhausted)" in summary_table(found)


def test_it_counts_as_finished_wherever_runs_are_looked_at(ended: Path) -> None:
    before = (ended / "summary.json").stat().st_mtime_ns
    assert train_and_evaluate(impatient(), ended) == summary(ended)
    assert (ended / "summary.json").stat().st_mtime_ns == before
    found = outcome(Job(ended, impatient()))
    assert (found.finished, found.status, found.step) == (True, "done", summary(ended)["steps"])
    assert read_run(ended, ended.parent).status == "done"
    assert not outcome(Job(ended, impatient(training__patience=3))).finished


@pytest.mark.parametrize("when", ["before", "in the last validation", "in the test"])
def test_stopped_by_a_signal_and_resumed_it_is_the_run_that_was_not(
    when: str, ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = summary(ended)["steps"]
    batch = {"in the last validation": last, "in the test": last + 2}.get(when)
    stop(monkeypatch, tmp_path, impatient(), step=None if batch else last - 1, batch=batch)
    assert summary(tmp_path)["status"] == "stopped"
    assert train_and_evaluate(impatient(), tmp_path)["exhausted_patience"] == 2
    assert_same_run(ended, tmp_path)


def test_with_more_patience_it_goes_on_as_if_it_had_never_ended(
    ended: Path, tmp_path: Path
) -> None:
    shutil.copytree(ended, tmp_path / "gone on")
    for folder in ("gone on", "at once"):
        train_and_evaluate(impatient(training__patience=0), tmp_path / folder)
    assert summary(tmp_path / "gone on")["steps"] == 40
    assert summary(tmp_path / "gone on")["exhausted_patience"] is None
    assert_same_run(tmp_path / "gone on", tmp_path / "at once")


def test_without_a_validation_part_patience_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"patience=2 counts validations.*validation_size"):
        train_and_evaluate(impatient(task__validation_size=0), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_monitored_metric_of_the_config_decides_what_is_best(
    ended: Path, tmp_path: Path
) -> None:
    config = impatient(training__monitored="loss")
    found = train_and_evaluate(config, tmp_path)
    losses = {row["step"]: row["loss"] for row in rows(tmp_path) if row["split"] == "validation"}
    best = min(losses, key=losses.__getitem__)
    assert best != summary(ended)["best_step"]  # where accuracy decides, it is another
    assert (found["best_step"], found["test_step"]) == (best, best)
    assert found["validation_loss"] == losses[best] == outcome(Job(tmp_path, config)).score
    assert found["validation_accuracy"] == accuracies(tmp_path)[best]
    assert read_run(tmp_path, tmp_path.parent).validation_score == losses[best]


def test_a_metric_that_the_objective_lacks_is_refused(tmp_path: Path) -> None:
    config = impatient(objective__name="squared_error", training__monitored="accuracy")
    with pytest.raises(ConfigError, match=r"metric of squared_error \(loss\).*'accuracy'"):
        train_and_evaluate(config, tmp_path / "new")


@pytest.mark.slow
def test_a_finished_run_made_longer_is_the_longer_run(tmp_path: Path) -> None:
    for steps in (6, 12):
        train_and_evaluate(tiny_config(training__steps=steps, **EVERYTHING), tmp_path / "extended")
    train_and_evaluate(tiny_config(training__steps=12, **EVERYTHING), tmp_path / "whole")
    trees = [checkpoint(tmp_path / name).tree.state for name in ("extended", "whole")]
    assert arrays(trees[0]) == arrays(trees[1])


@pytest.mark.slow
@pytest.mark.ci
def test_with_every_comfort_a_resumed_run_and_one_of_a_population_are_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(**EVERYTHING)
    train_and_evaluate(config, tmp_path / "run")
    stop(monkeypatch, tmp_path / "stopped", config, step=5)
    train_and_evaluate(config, tmp_path / "stopped")
    assert_same_run(tmp_path / "run", tmp_path / "stopped")
    jobs = [
        Job(tmp_path / "first", config),
        Job(tmp_path / "other", tiny_config(**EVERYTHING | {"optimizer__ema_decay": 0.3})),
    ]
    run_population(jobs)
    assert "population" in summary(tmp_path / "first")
    assert_close(tmp_path / "run", tmp_path / "first")
    # What is evaluated, and loaded, is the average.
    network, state = load(tmp_path / "run"), checkpoint(tmp_path / "run").tree.state
    assert network.step == summary(tmp_path / "run")["best_step"] == 12
    assert arrays(network.params) == arrays(state.average) != arrays(state.params)
    assert network.evaluate()["accuracy"] == summary(tmp_path / "run")["test_accuracy"]
    assert read_config(tmp_path / "run" / "config.json").optimizer.function == "adan"


@pytest.mark.slow
def test_members_of_a_population_lose_patience_one_by_one(ended: Path, tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, {"seed": 1}, {"optimizer__learning_rate": 0.01}]
    jobs = [Job(tmp_path / str(i), impatient(**own)) for i, own in enumerate(changes)]
    run_population(jobs)
    steps = [summary(job.workdir)["steps"] for job in jobs]
    assert len(set(steps)) > 1
    assert all(outcome(job).finished for job in jobs)
    for job, last in zip(jobs, steps, strict=True):
        found, validated = summary(job.workdir), accuracies(job.workdir)
        best = found["best_step"]
        assert max(validated) == last == (best + 4 if found["exhausted_patience"] else 40)
        assert found["validation_accuracy"] == max(validated.values())
        assert found["test_step"] == best
    np.testing.assert_equal(steps[0], summary(ended)["steps"])
