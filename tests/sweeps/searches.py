"""Searches of a learning rate and a step size, and engines that finish their trials at once."""

import json

from asrnn.config import base_config
from asrnn.errors import Interrupted
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.adaptive import Search
from asrnn.sweeps.folder import read_trials
from asrnn.sweeps.sweep import Sweep
from asrnn.sweeps.trials import outcome

RATE, STEP_SIZE = "optimizer.learning_rate", "model.step_size"
BOX = h.product(h.log_uniform(RATE, 1e-3, 1.0), h.uniform(STEP_SIZE, 0.0, 1.0))


class Engine:
    """Finishes jobs at once; the nearer the step size is to 0.3, the better they are.

    Args:
      limit: jobs until a signal comes.
    """

    def __init__(self, limit=1000):
        self.calls = []
        self.limit = limit

    def __call__(self, jobs, watch):
        left = [job for job in jobs if not outcome(job).finished]
        self.calls.append(len(left))
        for job in left:
            if self.limit == 0:
                raise Interrupted("stopped")
            self.limit -= 1
            finish(job)


def finish(job):
    diverged = job.config.model.step_size > 0.9
    accuracy = 1 - abs(job.config.model.step_size - 0.3)
    row = {"step": 9, "split": "validation", "loss": 0.0, "accuracy": accuracy}
    job.workdir.mkdir()
    (job.workdir / "metrics.jsonl").write_text("" if diverged else json.dumps(row) + "\n")
    summary = {"status": "diverged" if diverged else "done", "steps": 9}
    (job.workdir / "summary.json").write_text(json.dumps(summary))


def search(settings=10, batch=4, space=BOX, seed=0):
    return Search(space, settings, batch, seed)


def sweep(folder, **changes):
    config = base_config()
    config.task.validation_size = 10
    config.training.steps = 9
    return Sweep(config, [], folder / "sweep", **changes)


def points(folder):
    return [trial.overrides for trial in read_trials(folder / "sweep")]


def rungs(folder):
    """Trials of 9 updates, validated after each; a third of the settings goes on after 3."""
    return sweep(folder, rungs=(3,), reduction=3.0)


class Climbing(Engine):
    """Engine whose runs get better by the step, and resume; `steps` are those of each job."""

    def __init__(self, limit=1000):
        super().__init__(limit)
        self.steps = {}

    def __call__(self, jobs, watch):
        for job in jobs:
            if outcome(job).finished:
                continue
            if self.limit == 0:
                raise Interrupted("stopped")
            self.limit -= 1
            self.run(job)

    def run(self, job):
        job.workdir.mkdir(exist_ok=True)
        quality, rows = 1 - abs(job.config.model.step_size - 0.3), []
        for step in range(1, job.config.training.steps + 1):
            score = {"loss": 0.0, "accuracy": quality * step / 9}
            rows.append({"step": step, "split": "validation", **score})
            (job.workdir / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
            if outcome(job).finished:  # pruned
                break
        self.steps[job.workdir.name] = step
        done = step == job.config.training.steps
        summary = {"status": "done" if done else "stopped", "steps": step}
        if done:
            summary["validation_accuracy"] = rows[-1]["accuracy"]
        (job.workdir / "summary.json").write_text(json.dumps(summary))
