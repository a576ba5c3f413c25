"""The run of one config: train, evaluate, keep everything in the workdir."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from ml_collections import ConfigDict

from asrnn.errors import ConfigError, DivergedError, Interrupted
from asrnn.models import num_parameters
from asrnn.tasks import batch_indices, load_image_set
from asrnn.training import pace
from asrnn.training.checkpoints import Checkpoints
from asrnn.training.console import Display, to_stderr
from asrnn.training.devices import replicated
from asrnn.training.evaluation import evaluate
from asrnn.training.examples import Examples, place_examples
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.records import Records
from asrnn.training.signals import StopRequest
from asrnn.training.step import (
    Snapshot,
    Stream,
    Window,
    empty_window,
    make_eval_step,
    make_train_steps,
)
from asrnn.training.summary import device_name, read_summary, write_summary
from asrnn.training.workdir import CHECKPOINTS, METRICS, open_workdir, write_config

Fetched = tuple[Window, float]
"""A window on the host, and the seconds of training when it was complete."""


def train_and_evaluate(config: ConfigDict, workdir: str | Path) -> dict[str, Any]:
    """Trains the network of a config, or goes on where an earlier call stopped.

    The parameters with the best validation accuracy are evaluated once on the test part.
    Without a validation part the last parameters are.

    Args:
      config: see `asrnn.config.base_config`.
      workdir: the folder of this run, created if need be.

    Returns:
      The summary, which is also in summary.json.

    Raises:
      ConfigError: if the config cannot be used, or is not the one of this workdir.
      DataError: if data are missing or damaged.
      DivergedError: if loss or gradient is not finite; the last checkpoint is kept.
      CheckpointError: if a checkpoint cannot be written or read.
      WorkdirInUse: if another process trains in this workdir.
      Interrupted: after SIGTERM, SIGINT or SIGUSR1; the state is saved.
    """
    workdir = Path(workdir)
    experiment = make_experiment(config)
    with open_workdir(workdir, config):
        summary = read_summary(workdir)
        if summary and summary["status"] == "done" and summary["steps"] == config.training.steps:
            return summary
        with StopRequest() as stop:
            return _Run(experiment, workdir, stop).run()


class _Run:
    """One process's part of a run; its attributes are what the methods share."""

    def __init__(self, experiment: Experiment, workdir: Path, stop: StopRequest):
        config, task = experiment.config, experiment.task
        self.experiment = experiment
        self.seed = config.seed
        self.training = config.training
        self.workdir = workdir
        self.stop = stop
        self.checkpoints = Checkpoints(workdir / CHECKPOINTS, report=to_stderr)
        images = load_image_set(
            task.image_set, config.task.source, config.task.data_dir, report=to_stderr
        )
        self.origin = images.origin
        self.everywhere = replicated(experiment.model.mesh)
        self.parts = jax.device_put(
            place_examples(images, config.task.validation_size, config.seed), self.everywhere
        )
        self.batches(0, 1)  # refuses a batch larger than the data, before compiling
        self.train_steps = make_train_steps(experiment.model, task.sequence, experiment.settings)
        self.eval_step = make_eval_step(experiment.model, task.sequence)
        self.state, self.window = jax.device_put(experiment.initial_snapshot(), self.everywhere)
        self.best: dict[str, Any] = {"step": None, "accuracy": None}
        self.validated = 0  # the last step whose validation accuracy is recorded
        self.seconds = 0.0  # spent by earlier processes
        self.mark = 0.0  # when the updates of the window began, in seconds without pauses

    def run(self) -> dict[str, Any]:
        first = self.restore()
        write_config(self.workdir, self.experiment.config)
        self.started = time.monotonic() - self.seconds
        events = self.workdir / "tensorboard" if self.training.tensorboard else None
        with (
            Records(self.workdir / METRICS, first, self.validated, events) as self.records,
            Display(self.training.steps, first) as self.display,
            ThreadPoolExecutor(max_workers=1) as self.fetcher,
        ):
            self.display.message(self.headline(first))
            if self.experiment.note is not None:
                self.display.message(self.experiment.note)
            self.train(first)
            return self.finish()

    def restore(self) -> int:
        """Goes back to the latest checkpoint, if there is one; returns its step."""
        checkpoint = self.checkpoints.latest(self.snapshot())
        if checkpoint is None:
            return 0
        if checkpoint.step > self.training.steps:
            raise ConfigError(
                f"the run in {self.workdir} has already made {checkpoint.step} steps, more than"
                f" config.training.steps={self.training.steps}; give more, or another --workdir"
            )
        self.state, self.window = jax.device_put(checkpoint.tree, self.everywhere)
        self.best = checkpoint.info["best"]
        self.validated = checkpoint.info["validated"]
        self.seconds = checkpoint.info["seconds"]
        self.mark = checkpoint.info["mark"]
        return checkpoint.step

    def train(self, step: int) -> None:
        """Makes the updates after `step`; while one dispatch runs, the host prepares the next."""
        training, last = self.training, self.training.steps
        periods = (training.log_every, training.eval_every, training.checkpoint_every)
        pacer = pace.Pace()
        key = self.experiment.key(Stream.TRAINING_NOISE)
        unread: tuple[int, Future[Fetched]] | None = None
        began = step - int(self.window.steps)  # the step before the first of the window
        with self.pause():
            if self.validate(step):  # a signal had cut it short at the step that was saved
                self.save(step)
        while step < last:
            count = min(pacer.count, pace.next_event(step, last, periods) - step)
            self.state, self.window = self.train_steps(
                self.state,
                self.window,
                self.experiment.hyper,
                self.parts.train,
                self.batches(step, count),
                count,
                key,
            )
            step += count
            if unread is not None:
                self.write_window(*unread)
                unread = None
            pacer.wait(self.window.steps, count)
            self.display.advance(step)
            if step % training.log_every == 0 or step == last:
                unread = (began, self.fetcher.submit(self.fetch, self.window))
                self.window = jax.device_put(empty_window(), self.everywhere)
                began = step
            saving = step % training.checkpoint_every == 0 or step == last
            if saving or self.validation_due(step) or self.stop.received:
                if unread is not None:
                    self.write_window(*unread)
                    unread = None
                self.check_finite(began, self.window)
                with self.pause():
                    saving |= self.validate(step)
                if saving or self.stop.received:
                    with self.pause():
                        self.save(step)
                if self.stop.received:
                    self.interrupt(step)

    def batches(self, step: int, count: int) -> np.ndarray:
        """The batches of the next updates, padded to one shape so that nothing recompiles."""
        size, number = self.training.batch_size, len(self.parts.train.labels)
        indices = np.zeros((pace.MAX_STEPS, size), np.int32)
        indices[:count] = batch_indices(self.seed, step, count, number, size)
        return indices

    def fetch(self, window: Window) -> Fetched:
        """Brings a window to the host, in a thread of its own so that no update waits."""
        return jax.device_get(window), self.elapsed()

    def write_window(self, began: int, fetched: Future[Fetched]) -> None:
        """Records the mean over the steps of a window, those after `began`."""
        window, seconds = fetched.result()
        self.check_finite(began, window)
        steps = int(window.steps)
        row = {
            "step": began + steps,
            "split": "train",
            "loss": float(window.loss) / steps,
            "accuracy": float(window.accuracy) / steps,
            "learning_rate": float(window.learning_rate),
            "grad_norm": float(window.grad_norm) / steps,
            "examples_per_second": steps * self.training.batch_size / (seconds - self.mark),
        }
        self.mark = seconds
        self.records.write(row)
        self.display.show(row)

    def check_finite(self, began: int, window: Window) -> None:
        """The first update that was not finite is the last of its window."""
        if not bool(window.finite):
            self.diverge(began + int(window.steps))

    def diverge(self, step: int) -> NoReturn:
        self.summarize("diverged", step)
        kept = self.checkpoints.steps()
        raise DivergedError(
            f"loss or gradient is not finite at step {step};"
            " lower config.optimizer.learning_rate or config.model.step_size; "
            + (f"checkpoint {kept[-1]} is kept" if kept else "no checkpoint was written yet")
        )

    def validation_due(self, step: int) -> bool:
        at_period = step % self.training.eval_every == 0 or step == self.training.steps
        return self.parts.validation is not None and step > self.validated and at_period

    def validate(self, step: int) -> bool:
        """Records validation loss and accuracy if due; whether they are the best so far."""
        if self.parts.validation is None or not self.validation_due(step):
            return False
        scores = self.evaluate(step, self.state.params, self.parts.validation)
        if scores is None:
            return False
        self.validated = step
        row = {"step": step, "split": "validation", **scores}
        self.records.write(row)
        self.display.show(row)
        if self.best["accuracy"] is not None and scores["accuracy"] <= self.best["accuracy"]:
            return False
        self.best = {"step": step, "accuracy": scores["accuracy"]}
        return True

    def evaluate(self, step: int, params: Any, examples: Examples) -> dict[str, float] | None:
        """Scores, or None if a signal came before all examples were evaluated."""
        scores = evaluate(
            self.eval_step,
            params,
            self.experiment.hyper.coefficients,
            examples,
            self.experiment.key(Stream.EVALUATION_NOISE),
            wanted=lambda: self.stop.received is None,
        )
        if scores is not None and not math.isfinite(scores["loss"]):
            self.diverge(step)
        return scores

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keeps what is done in it out of the time of the window."""
        began = self.elapsed()
        yield
        self.mark += self.elapsed() - began

    def snapshot(self) -> Snapshot:
        return Snapshot(self.state, self.window)

    def save(self, step: int) -> None:
        info = {
            "best": self.best,
            "validated": self.validated,
            "seconds": self.elapsed(),
            "mark": self.mark,
        }
        self.checkpoints.save(step, self.snapshot(), info, best=self.best["step"])

    def interrupt(self, step: int) -> None:
        assert self.stop.received is not None
        self.summarize("stopped", step)
        raise Interrupted(
            f"stopped by {self.stop.received.name} at step {step} of {self.training.steps},"
            " state saved; run the same command again to go on"
        )

    def finish(self) -> dict[str, Any]:
        """The one evaluation on the test part, with the best parameters."""
        last = self.training.steps
        step = self.best["step"] or last
        params = self.state.params
        if step != last:
            best = self.checkpoints.load(step, self.snapshot()).tree.state.params
            params = jax.device_put(best, self.everywhere)
        scores = self.evaluate(step, params, self.parts.test)
        if scores is None:
            self.interrupt(last)
        else:
            row = {"step": step, "split": "test", **scores}
            self.records.write(row)
            self.display.show(row)
            return self.summarize("done", last, scores["accuracy"])
        raise AssertionError("interrupt always raises")

    def summarize(self, status: str, steps: int, test: float | None = None) -> dict[str, Any]:
        config = self.experiment.config
        outcome = {
            "status": status,
            "task": config.task.name,
            "cell": config.model.cell,
            "steps": steps,
            "num_parameters": num_parameters(self.experiment.initial_params),
            "validation_accuracy": self.best["accuracy"],
            "best_step": self.best["step"],
            "test_accuracy": test,
            "seconds": round(self.elapsed(), 3),
            "backend": self.experiment.model.recurrence["backend"],
            "data": self.origin,
            **self.experiment.task.notes,
        }
        return write_summary(self.workdir, outcome)

    def elapsed(self) -> float:
        """Seconds of training, those of earlier processes included."""
        return time.monotonic() - self.started

    def headline(self, first: int) -> str:
        config, model = self.experiment.config, self.experiment.model
        start = f"resuming at step {first}" if first else "starting"
        return (
            f"{config.task.name} from {self.origin}\n"
            f"{config.model.cell}, {config.model.hidden_size} units,"
            f" {num_parameters(self.experiment.initial_params):,} parameters;"
            f" {model.recurrence['backend']} recurrence on {device_name()};"
            f" {start}, workdir {self.workdir}"
        )
