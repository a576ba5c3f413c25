"""The main job learns: digits from an untouched config to an accuracy worth having."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.runs.metrics import read_rows
from asrnn.training.evaluation import evaluate_workdir
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import tiny_config


@pytest.mark.slow
def test_digits_are_learnt_pixel_by_pixel(tmp_path: Path) -> None:
    config = tiny_config(
        recurrence__backend="auto",
        task__validation_size=200,
        model__hidden_size=96,
        model__step_size=0.5,
        model__diffusion=0.3,
        optimizer__learning_rate=0.005,
        training__batch_size=64,
        optimizer__schedule="cosine",
        training__steps=2000,
        training__log_every=100,
        training__eval_every=250,
        training__checkpoint_every=500,
    )
    found = train_and_evaluate(config, tmp_path)
    assert found["validation_accuracy"] > 0.9
    assert found["test_accuracy"] > 0.9
    assert evaluate_workdir(tmp_path, "test")["accuracy"] == found["test_accuracy"]
    losses = [
        row["loss"] for row in read_rows(tmp_path / "metrics.jsonl") if row["split"] == "train"
    ]
    assert losses[-1] < losses[0] / 4


def test_the_loss_falls_within_a_few_steps(tmp_path: Path) -> None:
    config = tiny_config(
        optimizer__learning_rate=0.02,
        training__steps=120,
        training__log_every=20,
        training__eval_every=120,
        training__checkpoint_every=120,
    )
    found = train_and_evaluate(config, tmp_path)
    losses = [
        row["loss"] for row in read_rows(tmp_path / "metrics.jsonl") if row["split"] == "train"
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 2.1
    assert found["test_accuracy"] > 0.2
