"""Limits follow from the curves of the batches before."""

from __future__ import annotations

import json
from pathlib import Path

from asrnn.sweeps.pruning import ENOUGH, Pruning
from asrnn.sweeps.trials import Job, Limits, Trial
from tests.training.runs import tiny_config


def trials(*names: str) -> list[Trial]:
    return [Trial(name, {}) for name in names]


class Folder:
    """Finished runs of 10 updates; notes which are read."""

    def __init__(self, path: Path):
        self.path = path
        self.read: list[str] = []

    def write(self, name: str, *curve: tuple[int, float], steps: int = 10) -> None:
        folder = self.path / name
        folder.mkdir()
        rows = [
            {"step": step, "split": "validation", "loss": 1.0, "accuracy": accuracy}
            for step, accuracy in curve
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        summary = {"status": "done", "steps": steps, "exhausted_patience": 2, "steps_asked": 10}
        (folder / "summary.json").write_text(json.dumps(summary))

    def job(self, trial: Trial, limits: Limits) -> Job:
        self.read.append(trial.id)
        config = tiny_config(training__steps=10, training__patience=2)
        return Job(self.path / trial.id, config, limits)


def test_the_limit_at_a_step_is_the_median_of_the_best_so_far(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name, late in zip("abcd", (0.5, 0.6, 0.7, 0.1), strict=True):
        folder.write(name, (5, 0.4), (10, late))  # the best of d so far is 0.4
    found = Pruning().limits([trials(*"abcd"), trials("e")], folder.job)
    assert found == {name: {} for name in "abcd"} | {"e": {5: -0.4, 10: -0.55}}


def test_a_curve_that_patience_ended_keeps_its_best(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name in "abc":
        folder.write(name, (5, 0.2), (10, 0.4))
    folder.write("d", (4, 0.8), steps=4)
    assert Pruning().limits([trials(*"abcd"), trials("e")], folder.job)["e"] == {5: -0.2, 10: -0.4}


def test_too_few_have_no_say_and_nobody_is_read_twice(tmp_path: Path) -> None:
    folder, pruning, names = Folder(tmp_path), Pruning(), "abcdef"
    batches: list[list[Trial]] = []
    for i, name in enumerate(names):
        batches.append(trials(name))
        limits = pruning.limits(batches, folder.job)
        assert bool(limits[name]) == (i >= ENOUGH)
        folder.write(name, (5, 0.4), (10, 0.5))
    assert folder.read == list(names[:-1])
    assert limits == Pruning().limits(batches, folder.job)
