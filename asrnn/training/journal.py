"""What a run writes down: its rows, checkpoints and summary, and the scores and times in them.

The loop computes; the journal knows the workdir. A population keeps one journal a member.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asrnn.config import seeds
from asrnn.console import to_stderr
from asrnn.errors import ConfigError, DivergedError
from asrnn.models import num_parameters
from asrnn.runs.checkpoints import Checkpoint, Checkpoints
from asrnn.runs.loggers import open_loggers
from asrnn.runs.metrics import Records, Row
from asrnn.runs.provenance import Provenance, now
from asrnn.runs.summary import DIVERGED, DONE, write_summary
from asrnn.runs.workdir import CHECKPOINTS, METRICS, write_config
from asrnn.training.devices import environment
from asrnn.training.experiment import Experiment
from asrnn.training.process_group import ProcessGroup, SharedCheckpoints
from asrnn.training.step import Snapshot, Window


class Journal:
    """The workdir side of one run.

    Args:
      experiment: the run.
      workdir: its folder, which the caller has locked.
      origin: where the data come from, for the summary.
      provenance: where the numbers come from, for the summary.
      group: the processes that share the run, of which only the first writes; they all
        keep the same account.
      notes: what else the summary is to say.
    """

    def __init__(
        self,
        experiment: Experiment,
        workdir: Path,
        origin: str,
        provenance: Provenance,
        group: ProcessGroup | None = None,
        **notes: Any,
    ):
        self.workdir = workdir
        self._objective = experiment.objective
        self.best: dict[str, Any] = dict.fromkeys(("step", *self._objective.metrics))
        self._experiment = experiment
        self._config = experiment.config
        self._origin = origin
        self._provenance = provenance
        self._since = now()  # of the first process of the run
        self._init_from = experiment.init_from  # of that process too
        self._notes = notes
        own = Checkpoints(workdir / CHECKPOINTS, report=to_stderr)
        self._checkpoints = own if group is None else SharedCheckpoints(own, group)
        self._writes = group is None or group.first
        self._validated = 0  # the last step whose validation is recorded
        self._stale = 0  # validations since the best
        self._seconds = 0.0  # spent by earlier processes
        self._mark = 0.0  # when the updates of the window began, in seconds without pauses

    def restore(self, template: Snapshot) -> Checkpoint | None:
        """Goes back to the latest checkpoint, if there is one.

        Raises:
          ConfigError: if it is beyond the last step of the config.
          CheckpointError: if no checkpoint can be read, or it is not like the template.
        """
        checkpoint = self._checkpoints.latest(template)
        if checkpoint is None:
            return None
        steps = self._config.training.steps
        if checkpoint.step > steps:
            raise ConfigError(
                f"the run in {self.workdir} has already made {checkpoint.step} steps, more than"
                f" config.training.steps={steps}; give more, or another --workdir"
            )
        self.best = checkpoint.info["best"]
        self._validated = checkpoint.info["validated"]
        self._stale = checkpoint.info.get("stale", 0)
        self._since = checkpoint.info.get("started", self._since)
        self._init_from = checkpoint.info.get("init_from")
        self._seconds = checkpoint.info["seconds"]
        self._mark = checkpoint.info["mark"]
        return checkpoint

    @contextmanager
    def open(self, first: int) -> Iterator[None]:
        """Starts the clock and takes rows, after those up to the step the run goes on from.

        Raises:
          CheckpointError: if the rows cannot be written.
        """
        self._started = time.monotonic() - self._seconds
        if not self._writes:
            yield
            return
        loggers = open_loggers(self.workdir, self._config, first)  # it may refuse the run
        write_config(self.workdir, self._config)
        path = self.workdir / METRICS
        with Records(path, first, self._validated, loggers) as self._records:
            self._tell_of_lost_rows(first)
            yield

    def _tell_of_lost_rows(self, first: int) -> None:
        """The state is in the checkpoints: a run without these rows is incomplete, not wrong."""
        reaches, due = self._records.reaches, first - first % self._config.training.log_every
        if reaches < due:
            to_stderr(
                f"{self.workdir / METRICS} has no training row after step {reaches}: those up to"
                f" step {due} are gone; going on from the checkpoint at step {first}"
            )

    def elapsed(self) -> float:
        """Seconds of training, those of earlier processes included."""
        return time.monotonic() - self._started

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keeps what is done in it out of the time of the window."""
        began = self.elapsed()
        yield
        self._mark += self.elapsed() - began

    def write_window(self, began: int, window: Window, seconds: float) -> Row:
        """Records the mean over the steps of a window.

        Args:
          began: the step before the first of the window.
          window: its sums, finite and on the host.
          seconds: what `elapsed` was when they were complete.
        """
        steps = int(window["steps"])
        row = {
            "step": began + steps,
            "split": "train",
            **{name: float(window[name]) / steps for name in self._objective.metrics},
            "learning_rate": float(window["learning_rate"]),
            "grad_norm": float(window["grad_norm"]) / steps,
            "examples_per_second": (
                steps * self._config.training.batch_size / (seconds - self._mark)
            ),
        }
        self._mark = seconds
        self._record(row)
        return row

    def diagnostics_due(self, step: int) -> bool:
        """Whether the state after that step, if the run has just come to it, is to be examined."""
        every = self._config.training.diagnostics_every
        return bool(every and step % every == 0)

    def write_diagnostics(self, step: int, values: Mapping[str, Any]) -> None:
        """Records what `asrnn.training.diagnostics` found of the parameters after that step."""
        numbers = {name: float(value) for name, value in sorted(values.items())}
        self._record({"step": step, "split": "diagnostics", **numbers})

    def validation_due(self, step: int) -> bool:
        """Whether a run with a validation part has to be validated after that step."""
        training = self._config.training
        at_period = step % training.eval_every == 0 or step == training.steps
        return step > self._validated and at_period

    def write_validation(self, step: int, scores: dict[str, float]) -> Row:
        """Records validation scores; from then on `best` says whether they are the best."""
        self._validated = step
        row = self._write_scores(step, "validation", scores)
        name, metric = self._objective.monitored, self._objective.metric
        self._stale += 1
        if metric.cost(scores[name]) < metric.cost(self.best[name]):
            self.best, self._stale = {"step": step, **scores}, 0
        return row

    @property
    def out_of_patience(self) -> bool:
        """Whether so many validations brought nothing better that the run ends."""
        patience = self._config.training.patience
        return bool(patience and self._stale >= patience)

    def write_test(self, step: int, scores: dict[str, float]) -> Row:
        """Records the scores of the parameters after that step on the test part."""
        return self._write_scores(step, "test", scores)

    def _write_scores(self, step: int, split: str, scores: dict[str, float]) -> Row:
        row = {"step": step, "split": split, **scores}
        self._record(row)
        return row

    def _record(self, row: Row) -> None:
        if self._writes:
            self._records.write(row)

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Writes a checkpoint.

        Raises:
          CheckpointError: if it cannot be written.
        """
        info = {
            "best": self.best,
            "validated": self._validated,
            "stale": self._stale,
            "started": self._since,
            "init_from": self._init_from,
            "seconds": self.elapsed(),
            "mark": self._mark,
        }
        self._checkpoints.save(step, snapshot, info, best=self.best["step"])

    def best_params(self, template: Snapshot) -> Any | None:
        """What the best checkpoint has to evaluate; None, and a line about it, if it is damaged."""
        found = self._checkpoints.best(self.best["step"], template)
        return None if found is None else found.tree.state.evaluated

    def diverged(self, step: int) -> DivergedError:
        """Writes a summary that says so, and tells what to raise."""
        self.summarize(DIVERGED, step)
        kept = self._checkpoints.steps()
        return DivergedError(
            f"loss or gradient is not finite at step {step};"
            " lower config.optimizer.learning_rate or config.model.step_size; "
            + (f"checkpoint {kept[-1]} is kept" if kept else "no checkpoint was written yet")
        )

    def summarize(self, status: str, steps: int, test: Row | None = None) -> dict[str, Any]:
        """Writes summary.json and returns what it says; `test` is what `write_test` returned."""
        summary = {
            "status": status,
            "task": self._config.task.name,
            "cell": self._config.model.cell,
            "steps": steps,
            "steps_asked": self._config.training.steps,
            "exhausted_patience": self._exhausted_patience(status, steps),
            "num_parameters": num_parameters(self._experiment.initial_params),
            "best_step": self.best["step"],
            "test_step": None if test is None else test["step"],
            **self._scores(test),
            "seconds": round(self.elapsed(), 3),
            "backend": self._experiment.model.recurrence["backend"],
            "precision": self._experiment.model.recurrence["precision"],
            "data": self._origin,
            "init_from": self._init_from,
            **self._experiment.task.notes,
            **self._notes,
            **environment(self._experiment.model.mesh),
            **self._provenance.facts(),
            "seeds": seeds(self._config),
            "started": self._since,
            "ended": now(),
            "rows": self._records.count if self._writes else None,
        }
        if self._writes:
            write_summary(self.workdir, summary)
        return summary

    def _exhausted_patience(self, status: str, steps: int) -> int | None:
        """The patience that ended the run before the steps that it was asked for, if one did."""
        training = self._config.training
        ended_early = status == DONE and steps < training.steps
        return int(training.patience) if ended_early else None

    def _scores(self, test: Row | None) -> dict[str, Any]:
        """Each metric of the best validation, and of the test of what was best."""
        parts = {"validation": self.best, "test": test or {}}
        return {
            f"{part}_{name}": found.get(name)
            for part, found in parts.items()
            for name in {**self._objective.metrics, "accuracy": None}
        }
