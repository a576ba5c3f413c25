"""The run of one config: train, evaluate, keep everything in the workdir."""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from ml_collections import ConfigDict

from asrnn.config import check_config
from asrnn.console import to_stderr
from asrnn.errors import Interrupted
from asrnn.models import num_parameters
from asrnn.runs.provenance import Provenance
from asrnn.runs.summary import DONE, STOPPED
from asrnn.runs.workdir import finished_summary, open_workdir, rows_gone
from asrnn.signals import StopRequest
from asrnn.training import diagnostics, dispatch_size
from asrnn.training.devices import device_name, replicate
from asrnn.training.diagnostics import make_diagnose
from asrnn.training.display import Display
from asrnn.training.evaluation import evaluate
from asrnn.training.examples import (
    Examples,
    KeyPurpose,
    check_patience,
    next_batches,
    place_examples,
)
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.journal import Journal
from asrnn.training.process_group import ProcessGroup, check_agreement
from asrnn.training.saved import at_the_start
from asrnn.training.step import (
    Snapshot,
    Window,
    empty_window,
    is_finite,
    make_eval_step,
    make_train_steps,
)

Fetched = tuple[Window, float]
"""A window on the host, and the seconds of training when it was complete."""


def train_and_evaluate(config: ConfigDict, workdir: str | Path) -> dict[str, Any]:
    """Trains the network of a config, or goes on where an earlier call stopped.

    The parameters with the best validation, by the metric that the objective monitors, are
    evaluated once on the test part. Without a validation part, or if their checkpoint is damaged,
    the last parameters are. Where jax runs in several processes, all of them call this; they
    train one network, and the first of them writes.

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
      Interrupted: after a signal of `asrnn.signals.STOP_SIGNALS`; the state is saved.
    """
    check_config(config)
    return train(config, Path(workdir))


def train(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """As `train_and_evaluate`, of a config that has been checked."""
    stop = StopRequest()
    with ProcessGroup(stop) as group:
        experiment = make_experiment(config)
        with open_workdir(workdir, config) if group.first else nullcontext():
            summary = group.share(_finished(workdir, config) if group.first else None)
            if summary is not None:
                return cast(dict[str, Any], summary)
            experiment = _start(experiment, workdir, group)
            with stop:
                return _Run(experiment, workdir, group).run()


def _start(experiment: Experiment, workdir: Path, group: ProcessGroup) -> Experiment:
    """The experiment with its first parameters; those of another network are read by one process.

    Raises:
      AsrnnError: as `at_the_start`.
    """
    if not experiment.config.training.init_from:
        return experiment
    found = at_the_start(experiment, workdir) if group.first else experiment
    origin, params = group.share(found.init_from), group.share_arrays(found.initial_params)
    return experiment._replace(initial_params=params, init_from=origin)


def _finished(workdir: Path, config: ConfigDict) -> dict[str, Any] | None:
    """The summary of a run that has made its last step, unless rows are gone, which is said."""
    summary = finished_summary(workdir, config)
    gone = summary and rows_gone(workdir, summary)
    if gone:
        to_stderr(f"{gone}; going on from the last checkpoint")
        return None
    return summary


class _Run:
    """One process's part of a run; its attributes are what the methods share."""

    def __init__(self, experiment: Experiment, workdir: Path, group: ProcessGroup):
        config, task = experiment.config, experiment.task
        self.experiment = experiment
        self.seed = config.seed
        self.training = config.training
        self.group = group
        data = task.source.load(to_stderr)
        check_agreement(group, experiment, data)
        provenance = Provenance(data.parts)
        self.journal = Journal(experiment, workdir, data.origin, provenance, group)
        self.origin = data.origin
        self.parts = self.everywhere(
            place_examples(task, data, config.task.validation_size, config.seed)
        )
        check_patience(config.training.patience, self.parts)
        self.batches(0, 1)  # refuses a batch larger than the data, before compiling
        model, objective = experiment.model, experiment.objective
        self.train_steps = make_train_steps(model, task, objective, experiment.settings)
        self.eval_step = make_eval_step(model, task, objective)
        self.diagnose_params = make_diagnose(model, task, objective)
        self.state, self.window = self.everywhere(experiment.initial_snapshot())

    def everywhere(self, tree: Any) -> Any:
        """The same arrays on all devices of the run."""
        return replicate(tree, self.experiment.model.mesh)

    def run(self) -> dict[str, Any]:
        first = self.restore()
        with (
            self.journal.open(first),
            Display(
                self.experiment.objective, self.training.steps, first, not self.group.first
            ) as self.display,
            ThreadPoolExecutor(max_workers=1) as self.fetcher,
        ):
            self.display.message(self.headline(first))
            if self.experiment.note is not None:
                self.display.message(self.experiment.note)
            return self.finish(self.train(first))

    def restore(self) -> int:
        """Goes back to the latest checkpoint, if there is one; returns its step."""
        checkpoint = self.journal.restore(self.snapshot())
        if checkpoint is None:
            return 0
        self.state, self.window = self.everywhere(checkpoint.tree)
        return checkpoint.step

    def train(self, step: int) -> int:
        """Makes the updates after `step`; while one dispatch runs, the host prepares the next.

        Returns:
          The step at which the run ends: the last, or that at which its patience did.
        """
        training, last = self.training, self.training.steps
        periods = dispatch_size.periods(training)
        dispatch, count = dispatch_size.DispatchSize(), 1
        key = self.experiment.key(KeyPurpose.TRAINING_NOISE)
        unread: tuple[int, Future[Fetched]] | None = None
        began = step - int(self.window["steps"])  # the step before the first of the window
        with self.journal.pause():
            if step == 0:
                self.diagnose(step)
            if self.validate(step):  # a signal had cut it short at the step that was saved
                self.journal.save(step, self.snapshot())
        self.group.meet()
        while step < last and not self.journal.out_of_patience:
            count = min(count, dispatch_size.next_event(step, last, periods) - step)
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
            dispatch.wait(self.window["steps"], count)
            count = self.group.meet(dispatch.count)
            self.display.advance(step)
            if step % training.log_every == 0 or step == last:
                unread = (began, self.fetcher.submit(self.fetch, self.window))
                self.window = self.everywhere(empty_window(self.experiment.objective))
                began = step
            saving = step % training.checkpoint_every == 0 or step == last
            due = self.journal.diagnostics_due(step) or self.validation_due(step)
            if saving or due or self.group.received:
                if unread is not None:
                    self.write_window(*unread)
                    unread = None
                self.check_finite(began, self.window)
                with self.journal.pause():
                    self.diagnose(step)
                    saving |= self.validate(step) or self.journal.out_of_patience
                self.group.meet()  # a signal may have come during the validation
                if saving or self.group.received:
                    with self.journal.pause():
                        self.journal.save(step, self.snapshot())
                if self.group.received:
                    self.interrupt(step)
                self.group.meet()  # whoever could not write this has left before an update
        if step < last:
            self.display.end_at(step)
            self.display.message(
                f"config.training.patience={training.patience} is exhausted:"
                f" the run ends at step {step} of {last}"
            )
        return step

    def batches(self, step: int, count: int) -> np.ndarray:
        """The batches of the next updates, padded to one shape so that nothing recompiles."""
        size, task = self.training.batch_size, self.experiment.task
        # First: it checks the size.
        chosen = next_batches(task, self.seed, step, count, self.parts.train, size)
        indices = np.zeros((dispatch_size.MAX_STEPS, size), np.int32)
        indices[:count] = chosen
        return indices

    def fetch(self, window: Window) -> Fetched:
        """Brings a window to the host, in a thread of its own so that no update waits."""
        return jax.device_get(window), self.journal.elapsed()

    def write_window(self, began: int, fetched: Future[Fetched]) -> None:
        """Records the mean over the steps of a window, those after `began`."""
        window, seconds = fetched.result()
        self.check_finite(began, window)
        self.display.show(self.journal.write_window(began, window, seconds))

    def check_finite(self, began: int, window: Window) -> None:
        """The first update that was not finite is the last of its window."""
        if not bool(is_finite(window)):
            raise self.journal.diverged(began + int(window["steps"]))

    def diagnose(self, step: int) -> None:
        """Records how gradients and distances fare through time, if due."""
        if not self.journal.diagnostics_due(step):
            return
        self.group.meet()  # whoever could not write a row has left before this
        found = self.diagnose_params(
            self.state.params,
            self.experiment.hyper,
            self.parts.train,
            self.batches(0, 1)[0, : diagnostics.BATCH_SIZE],
            self.experiment.key(KeyPurpose.EVALUATION_NOISE),
        )
        self.journal.write_diagnostics(step, jax.device_get(found))

    def validation_due(self, step: int) -> bool:
        return self.parts.validation is not None and self.journal.validation_due(step)

    def validate(self, step: int) -> bool:
        """Records validation metrics if due; whether they are the best so far."""
        if self.parts.validation is None or not self.validation_due(step):
            return False
        scores = self.evaluate(step, self.state.evaluated, self.parts.validation)
        if scores is None:
            return False
        self.display.show(self.journal.write_validation(step, scores))
        return bool(self.journal.best["step"] == step)

    def evaluate(self, step: int, params: Any, examples: Examples) -> dict[str, float] | None:
        """Scores, or None if a signal came before all examples were evaluated."""
        scores = evaluate(
            self.eval_step,
            params,
            self.experiment.hyper,
            examples,
            self.experiment.key(KeyPurpose.EVALUATION_NOISE),
            self.experiment.objective,
            wanted=self.go_on,
        )
        if scores is not None and not math.isfinite(scores["loss"]):
            raise self.journal.diverged(step)
        return scores

    def go_on(self) -> bool:
        """Whether no process was told to stop."""
        self.group.meet()
        return self.group.received is None

    def snapshot(self) -> Snapshot:
        return Snapshot(self.state, self.window)

    def interrupt(self, step: int) -> None:
        assert self.group.received is not None
        number = self.group.received
        self.journal.summarize(STOPPED, step)
        self.group.meet()  # to wait for process 0 while signals still cannot end this one
        raise Interrupted(
            f"stopped by {number.name} at step {step} of {self.training.steps},"
            " state saved; run the same command again to go on"
        )

    def finish(self, last: int) -> dict[str, Any]:
        """The one evaluation on the test part, with the best parameters.

        If their checkpoint is damaged, the last ones stand in: test data had no say in either.
        """
        step, params = last, self.state.evaluated
        if self.journal.best["step"] not in (None, last):
            best = self.journal.best_params(self.snapshot())
            if best is not None:
                step, params = self.journal.best["step"], self.everywhere(best)
        scores = self.evaluate(step, params, self.parts.test)
        if scores is None:
            self.interrupt(last)
        else:
            row = self.journal.write_test(step, scores)
            self.display.show(row)
            return self.journal.summarize(DONE, last, row)
        raise AssertionError("interrupt always raises")

    def headline(self, first: int) -> str:
        config, model = self.experiment.config, self.experiment.model
        start = f"resuming at step {first}" if first else "starting"
        if not first and self.experiment.init_from is not None:
            start += " from step {step} of {network}".format(**self.experiment.init_from)
        precision = model.recurrence["precision"]
        rounded = f" in {precision}" if precision.startswith("bfloat16") else ""
        return (
            f"data: {config.task.name} ({self.origin})\n"
            f"{config.model.cell}, {config.model.hidden_size} units,"
            f" {num_parameters(self.experiment.initial_params):,} parameters;"
            f" {model.recurrence['backend']} recurrence{rounded} on {device_name(model.mesh)};"
            f" {start}, workdir {self.journal.workdir}"
        )
