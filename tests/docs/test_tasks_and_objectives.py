"""The pages on adding a task and an objective: their code runs, and what it adds trains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.config import base_config, changed, check_config, field_table
from asrnn.errors import ConfigError
from asrnn.objectives import OBJECTIVES, find_objective
from asrnn.runs.metrics import read_rows
from asrnn.tasks import make_task
from asrnn.training.loop import train_and_evaluate
from tests.docs.pages import command_configs, run, tables_kept

SMALL: dict[str, Any] = {
    "model__hidden_size": 6,
    "training__steps": 4,
    "training__log_every": 2,
    "training__eval_every": 4,
    "training__batch_size": 8,
}
FEW = {"task__length": 10, "task__validation_size": 20, "task__test_size": 20}


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with tables_kept():
        yield


def trained(config: Any, workdir: Path) -> list[dict[str, Any]]:
    """The rows of a run that ends as it should."""
    summary = train_and_evaluate(config, workdir)
    assert (summary["status"], summary["steps"]) == ("done", 4)
    rows = read_rows(workdir / "metrics.jsonl")
    assert np.isfinite([row["loss"] for row in rows]).all()
    assert [row["split"] for row in rows] == ["train", "train", "validation", "test"]
    return rows


# ---- the page on tasks


@pytest.mark.slow
@pytest.mark.ci
def test_the_tasks_of_the_page_train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # where the page writes own.npz
    run("adding-a-task", monkeypatch)
    flip_flop, reversed_digits, own = command_configs("adding-a-task", **SMALL)
    flip_flop = changed(flip_flop, {name.replace("__", "."): v for name, v in FEW.items()})
    assert flip_flop.task.pulse_rate == 0.2
    assert (own.task.name, own.task.data_dir) == ("npz", "own.npz")
    for config in (flip_flop, reversed_digits, own):
        trained(config, tmp_path / config.task.name)
    facts = json.loads((tmp_path / "npz" / "summary.json").read_text())
    assert facts["data"] == "own.npz"


def test_the_option_of_a_task_is_a_field_that_only_this_task_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run("adding-a-task", monkeypatch)
    assert base_config().task.pulse_rate == 0.1
    assert "the probability of a pulse at a step [flip_flop]" in field_table()
    with pytest.raises(ConfigError, match=r"pulse_rate=0\.2 is not read by task\.name=digits"):
        check_config(changed(base_config(), {"task.pulse_rate": 0.2}))
    with pytest.raises(ConfigError, match=r"task\.pulse_rate must be above 0 and at most 1"):
        make_task("flip_flop", pulse_rate=0.0)


def test_the_flip_flop_is_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run("adding-a-task", monkeypatch)
    source = make_task("flip_flop", length=40, pulse_rate=0.2).source
    example = jax.device_get(source.example(jax.random.key(1)))  # type: ignore[union-attr]
    last = 0.0
    for (x,), target, counts in zip(*map(example.get, ("inputs", "targets", "mask")), strict=True):
        last = x or last
        assert counts == (last != 0)
        assert not counts or target == (last > 0)


def test_reversed_digits_are_digits_read_backwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run("adding-a-task", monkeypatch)
    images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    keys = jax.random.split(jax.random.key(0), 1)
    forwards, backwards = (
        make_task(name).source.sequence(jax.numpy.asarray(images), keys)  # type: ignore[union-attr]
        for name in ("digits", "reversed_digits")
    )
    np.testing.assert_array_equal(backwards, forwards[::-1])


# ---- the page on objectives


def test_the_objective_of_the_page_trains_and_is_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("adding-an-objective", monkeypatch)
    (config,) = command_configs("adding-an-objective", **SMALL | FEW)
    assert (config.objective.name, config.objective.threshold) == ("huber", 0.5)
    rows = trained(config, tmp_path)
    facts = json.loads((tmp_path / "summary.json").read_text())
    for row in rows:
        assert {"loss", "absolute_error"} <= row.keys()
    assert facts["validation_absolute_error"] == rows[2]["absolute_error"]
    assert facts["test_absolute_error"] == rows[3]["absolute_error"]
    assert facts["best_step"] == 4


def test_the_threshold_of_hubers_loss_is_a_scalar_of_run_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("adding-an-objective", monkeypatch)
    huber = find_objective("huber")
    sums = jax.jit(lambda y, t, delta: huber.sums(y, t, threshold=delta))
    outputs, targets = np.array([[3.0], [0.5]]), np.zeros((2, 1))
    for delta in (0.25, 1.0, 4.0):
        error = np.abs(outputs - targets)
        expected = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2)).sum()
        np.testing.assert_allclose(sums(outputs, targets, delta)["loss"], expected, rtol=1e-6)
    assert sums._cache_size() == 1
    assert "threshold" in base_config().objective
    assert huber is OBJECTIVES["huber"]


def test_an_objective_of_numbers_does_not_suit_a_task_of_classes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("adding-an-objective", monkeypatch)
    config = changed(base_config(), {"objective.name": "huber"})
    with pytest.raises(ConfigError, match="the targets of task digits are classes"):
        train_and_evaluate(config, tmp_path)
