"""Trials: the points of a space as runs, each with a workdir named after what it changes."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ml_collections import ConfigDict

from asrnn.config import changed, check_config, flatten, to_json
from asrnn.errors import ConfigError, near_miss
from asrnn.objectives import CROSS_ENTROPY, Objective, objective_of
from asrnn.runs.metrics import read_rows
from asrnn.runs.summary import is_finished, read_summary
from asrnn.runs.workdir import METRICS
from asrnn.sweeps.space import Overrides

FINISHED = ("done", "diverged", "pruned")

Limits = Mapping[int, float]
"""By validated step, the largest cost at which a trial goes on; see `asrnn.sweeps.pruning`."""


Point = tuple[int, float]
"""A step and a cost."""


class Trial(NamedTuple):
    """One point of a space; its id is a hash of its overrides and of nothing else."""

    id: str
    overrides: Overrides


class Job(NamedTuple):
    """What an engine is given: a run to bring to the last step of its config."""

    workdir: Path
    config: ConfigDict
    limits: Limits | None = None
    """Where it ends early, pruned."""


class Watch(Protocol):
    """Is told of each job that an engine takes up, and of each that it leaves."""

    def started(self, job: Job) -> None:
        """A job is being run, for the first time or again."""

    def ended(self, job: Job) -> None:
        """A job is not being run any more: finished, stopped or killed."""


Engine = Callable[[Sequence[Job], Watch], None]
"""Brings jobs to their end; see `asrnn.sweeps.engines.run_locally`."""


class Outcome(NamedTuple):
    """What a workdir says about a job: "done", "diverged", "pruned", or not finished yet."""

    finished: bool
    status: str
    step: int
    score: float | None
    """The best value of the monitored metric on the validation part, up to the last step of the
    job; a run that went further is cut there."""
    objective: Objective = CROSS_ENTROPY
    """Whose metric the score is."""
    beyond: bool = False
    """Whether the run went further than the last step of the job: on to a later rung."""
    test: float | None = None
    """The monitored metric on the test part, of a run that is done; nothing is picked by it."""

    @property
    def text(self) -> str:
        """The score for a person."""
        return self.objective.metric.text(self.score)


def make_trials(points: Sequence[Overrides]) -> list[Trial]:
    """One trial a point, in the order of the points; equal points become one trial."""
    trials: dict[str, Trial] = {}
    for point in points:
        canonical = json.dumps(point, sort_keys=True)
        trial = Trial(hashlib.sha256(canonical.encode()).hexdigest()[:10], dict(point))
        trials.setdefault(trial.id, trial)
    return list(trials.values())


def first_alike(base: ConfigDict, trials: Sequence[Trial]) -> dict[str, Trial]:
    """By the id of each trial, the first one that is the same run.

    A float field makes one run of 1 and 1.0, as does a default that only one part of a space
    spells out.

    Raises:
      ConfigError: as `make_job`.
    """
    first: dict[str, Trial] = {}
    return {t.id: first.setdefault(to_json(make_job(base, t, Path()).config), t) for t in trials}


def distinct(base: ConfigDict, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are different runs, in their order.

    Raises:
      ConfigError: as `make_job`.
    """
    return list({trial.id: trial for trial in first_alike(base, trials).values()}.values())


def make_job(
    base: ConfigDict,
    trial: Trial,
    sweep_dir: Path,
    steps: int | None = None,
    limits: Limits | None = None,
) -> Job:
    """The run of a trial: the base config with its overrides.

    Where these choose another component, what the base config says for the former one is reset.

    Args:
      base: what all trials share.
      trial: the point.
      sweep_dir: the folder of the sweep; the workdir is the folder of the trial's id in it.
      steps: a length other than that of the config, as a rung of successive halving has.
      limits: where it is pruned.

    Raises:
      ConfigError: if the overrides name an unknown field or give an unusable value.
    """
    fields = flatten(base.to_dict())
    for name in trial.overrides:
        if name not in fields:
            raise ConfigError(f"the space sets an unknown field {name!r}{near_miss(name, fields)}")
    for name, value in trial.overrides.items():
        try:
            ConfigDict(base.to_dict()).update_from_flattened_dict({name: value})
        except TypeError:
            raise ConfigError(
                f"the space sets {name}, of type {type(fields[name]).__name__}, to {value!r} of"
                f" type {type(value).__name__}"
            ) from None
        except OverflowError:
            raise ConfigError(
                f"the space sets {name} to a whole number beyond the largest float; give less"
            ) from None
    try:
        config = changed(base, trial.overrides)
        if steps is not None:
            config.training.steps = steps
        check_config(config)
    except ConfigError as error:
        raise ConfigError(f"trial {trial.id}: {error}") from None
    return Job(sweep_dir / trial.id, config, limits)


def best_so_far(rows: Sequence[Mapping[str, Any]], objective: Objective) -> list[Point]:
    """Each validation with the smallest cost of those up to it."""
    found = [row for row in rows if row["split"] == "validation"]
    costs = accumulate((objective.metric.cost(row[objective.monitored]) for row in found), min)
    return [(row["step"], cost) for row, cost in zip(found, costs, strict=True)]


def _pruned_at(rows: Sequence[Mapping[str, Any]], objective: Objective, job: Job) -> int:
    """The first validated step before the last at which a job is above its limit; 0: none."""
    limits, last = job.limits or {}, job.config.training.steps
    costs = best_so_far(rows, objective) if limits else []
    return next((s for s, cost in costs if s < last and cost > limits.get(s, math.inf)), 0)


def outcome(job: Job) -> Outcome:
    """What became of a job so far, from the files of its workdir."""
    summary = read_summary(job.workdir) or {"status": "waiting", "steps": 0}
    steps, patience = job.config.training.steps, job.config.training.patience
    written = read_rows(job.workdir / METRICS)
    objective = objective_of(flatten(job.config.to_dict()))
    pruned = _pruned_at(written, objective, job)
    rows = [row for row in written if row["step"] <= (pruned or steps)]
    scores = [row[objective.monitored] for row in rows if row["split"] == "validation"]
    if pruned:
        best = min(scores, key=objective.metric.cost)
        return Outcome(True, "pruned", pruned, best, objective)
    status, reached = summary["status"], summary["steps"]
    finished = status == "diverged" or is_finished(summary, steps, patience)
    beyond = reached > steps or len(rows) < len(written)
    if reached > steps:  # it went on, to a later rung
        finished, status, reached = True, "done", steps
    if not finished:
        status = "waiting" if not rows else "started"
        reached = max((row["step"] for row in rows), default=0)
    best = min(scores, key=objective.metric.cost, default=None)
    if finished and reached == summary["steps"]:  # rows may have got lost
        best = summary.get(f"validation_{objective.monitored}", best)
    of_this = status == "done" and reached == summary["steps"]
    test = summary.get(f"test_{objective.monitored}") if of_this else None
    return Outcome(finished, status, reached, best, objective, beyond, test)
