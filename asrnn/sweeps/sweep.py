"""A sweep: all trials of a space, rung by rung, by some engine, to a table."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from asrnn.config import flatten
from asrnn.errors import AsrnnError, ConfigError, Interrupted
from asrnn.objectives import objective_of
from asrnn.sweeps.folder import open_folder, write_table
from asrnn.sweeps.halving import check_rungs, promoted, ranked, setting
from asrnn.sweeps.progress_table import ProgressTable, describe
from asrnn.sweeps.shard import WHOLE, Shard
from asrnn.sweeps.trials import Engine, Job, Limits, Outcome, Trial, make_job, outcome
from asrnn.tasks import Resident
from asrnn.training.experiment import make_experiment, task_of
from asrnn.training.saved import at_the_start


class Sweep(NamedTuple):
    """What is to be run."""

    config: ConfigDict
    """What all trials share."""
    trials: Sequence[Trial]
    folder: Path
    rungs: Sequence[int] = ()
    """Steps after which only the best 1/reduction of the settings go on."""
    reduction: float = 3.0
    shard: Shard = WHOLE
    scales: Mapping[str, str] | None = None
    """Of the fields with ranges, for pictures; see `asrnn.sweeps.space.scales`."""
    limits: Mapping[str, Limits] | None = None
    """By id, where trials are pruned."""

    def job(self, trial: Trial, steps: int | None = None) -> Job:
        """The run of a trial, as far as a rung or to its end.

        Raises:
          ConfigError: as `asrnn.sweeps.trials.make_job`.
        """
        limits = (self.limits or {}).get(trial.id)
        return make_job(self.config, trial, self.folder, steps, limits)


class Result(NamedTuple):
    """What a sweep came to: its finalists' settings, best first, and what became of all."""

    ranking: list[tuple[float | None, list[Trial]]]
    outcomes: dict[str, Outcome]
    goals: dict[str, int]
    """By id, the steps of the highest rung that a trial was promoted to."""


def check_sweep(sweep: Sweep) -> None:
    """Checks every trial's config before any is run.

    Raises:
      ConfigError: for the first trial that cannot be run or compared.
    """
    if not sweep.reduction > 1:
        raise ConfigError(f"--reduction must be above 1, found {sweep.reduction:g}")
    if not sweep.trials:
        raise ConfigError("the space is empty; give at least one point")
    first = sweep.job(sweep.trials[0]).config
    compared = objective_of(flatten(first.to_dict()))
    for trial in sweep.trials:
        config = sweep.job(trial).config
        objective = objective_of(flatten(config.to_dict()))
        if config.task.validation_size == 0 and not _has_validation(config):
            raise ConfigError(
                f"a sweep picks by validation {objective.monitored}, but"
                " config.task.validation_size is 0; give the number of examples to keep for it"
            )
        if objective.monitored != compared.monitored or objective.metric != compared.metric:
            raise ConfigError(
                f"trial {trial.id} is scored by the {objective.monitored} of {objective.name}, and"
                f" the first trial by the {compared.monitored} of {compared.name}; make two sweeps"
            )
        if sweep.rungs and "training.steps" in trial.overrides:
            raise ConfigError("the space sets training.steps and so do the rungs; leave one out")
        check_rungs(sweep.rungs, config.training.steps, config.optimizer.schedule)


def _has_validation(config: ConfigDict) -> bool:
    """Whether the data have a validation part of their own."""
    source = task_of(config).source
    return isinstance(source, Resident) and source.has_validation


def dry_run(sweep: Sweep, settings: int | None = None) -> str:
    """What would be run, for a person, with each trial checked as its own run would check itself.

    Args:
      sweep: with the trials that are known beforehand.
      settings: how many a search proposes in all, if it is one.

    Raises:
      ConfigError: for the first trial that cannot be run.
    """
    check_sweep(sweep)
    for trial in sweep.trials:
        job = sweep.job(trial)
        try:
            at_the_start(make_experiment(job.config), job.workdir)
        except AsrnnError as error:
            raise type(error)(f"trial {trial.id}: {error}") from None
    own = sweep.trials[sweep.shard.part :: sweep.shard.parts]
    first = next(iter(sweep.rungs), None)
    done = sum(outcome(sweep.job(trial, first)).finished for trial in own)
    plan = _plan(sweep, settings) + (f"; {done} finished already" if done else "")
    return "\n".join([*(f"{trial.id}  {describe(trial)}" for trial in own), plan])


def _plan(sweep: Sweep, settings: int | None) -> str:
    """How many trials go how far, in one line."""
    known = left = len({setting(trial) for trial in sweep.trials})
    steps = max(sweep.job(trial).config.training.steps for trial in sweep.trials)
    stages = []
    for rung in (*sweep.rungs, steps):
        stages.append(f"{left} to step {rung:,}")
        left = math.ceil(left / sweep.reduction)
    line = f"{len(sweep.trials)} trials of {known} settings: {', '.join(stages)}"
    if sweep.shard != WHOLE:
        line += f"; listed: shard {sweep.shard.part}/{sweep.shard.parts} of the first rung"
    if settings is not None and settings > known:
        line += f"; more settings, up to {settings}, follow from their scores"
    return line


def run_sweep(sweep: Sweep, engine: Engine) -> Result:
    """Runs or continues a sweep; finished trials stay as they are.

    The trials are compared by their best validation so far, never on the test part.

    Raises:
      ConfigError: if a trial's config cannot be used, or the folder is of another sweep.
      WorkdirInUse: as `asrnn.sweeps.shard.held`.
      Interrupted: after a signal, or if trials of other shards are to be waited for.
      AsrnnError: as the engine.
    """
    check_sweep(sweep)
    outcomes: dict[str, Outcome] = {}
    goals: dict[str, int] = {}
    left = list(sweep.trials)
    with (
        open_folder(
            sweep.folder,
            sweep.config,
            sweep.trials,
            sweep.shard,
            sweep.rungs,
            sweep.reduction,
            sweep.scales,
        ),
        ProgressTable(sweep.trials) as progress,
    ):
        for steps in (*sweep.rungs, None):
            survivors = left
            jobs = {trial.id: sweep.job(trial, steps) for trial in survivors}
            goals |= {id: job.config.training.steps for id, job in jobs.items()}
            progress.rung(max(goals.values()), {id: outcome(job) for id, job in jobs.items()})
            try:
                engine(list(jobs.values())[sweep.shard.part :: sweep.shard.parts], progress)
            finally:
                outcomes |= {id: outcome(job) for id, job in jobs.items()}
                write_table(sweep.folder, sweep.trials, goals, outcomes)
            unfinished = [id for id in jobs if not outcomes[id].finished]
            if unfinished and sweep.shard == WHOLE:
                raise AsrnnError(
                    f"{len(unfinished)} trials ended before step {goals[unfinished[0]]} and did"
                    f" not say why, {unfinished[0]} first; see {sweep.folder / unfinished[0]}"
                )
            if unfinished and steps is not None:
                raise Interrupted(
                    f"{len(unfinished)} trials to step {goals[unfinished[0]]} are left to other"
                    " shards; run the same command again when they are finished"
                )
            if steps is not None:
                left = promoted(survivors, outcomes, sweep.reduction)
            if not left:
                break
    return Result(ranked(survivors, outcomes), outcomes, goals)
