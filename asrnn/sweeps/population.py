"""The population engine: trials that one program can train, trained by one program.

Trials whose configs differ in seeds and in values known at run time only become members of
a population: step size, diffusion, initial scale, the optimizer's numbers. For many small
networks on one device this is the fast way; docs/sweeps.md has what was measured.
"""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack

from ml_collections import ConfigDict

from asrnn.config import fields_of, flatten
from asrnn.console import to_stderr
from asrnn.errors import Interrupted, WorkdirInUse
from asrnn.frame import OFF_AT_ZERO
from asrnn.options import Use
from asrnn.runs.workdir import open_workdir
from asrnn.signals import StopRequest
from asrnn.sweeps.trials import Job, Watch, outcome
from asrnn.training.experiment import make_experiment, task_of
from asrnn.training.members import Program, make_program
from asrnn.training.population import Run, train_population
from asrnn.training.saved import at_the_start

BUSY = 1.0  # seconds until workdirs that another process holds are tried again


def run(jobs: Sequence[Job], *, population_size: int, watch: Watch) -> None:
    """Brings the jobs to their end; those that are finished stay as they are.

    Args:
      jobs: whichever engine began them.
      population_size: how many members a population has at most; it bounds the memory. The
        populations run one after the other.
      watch: is told of each member that is taken up and left.

    Raises:
      ConfigError, DataError, CheckpointError: as a run; the others keep their checkpoints.
      Interrupted: after a signal of `asrnn.signals.STOP_SIGNALS`; all members are saved.
    """
    with StopRequest() as stop:
        while waiting := [job for job in jobs if not outcome(job).finished]:
            held = 0
            for group in groups(waiting):
                held += _run_group(group, population_size, watch, stop)
            if held:
                _stop_here(stop)
                time.sleep(BUSY)


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs that one program can train together, in their old order."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(_program_of(job.config), []).append(job)
    return list(found.values())


def _program_of(config: ConfigDict) -> str:
    """What a program is compiled for: all of a config but what members may have of their own."""
    own = set(fields_of(Use.RUN_TIME, Use.INITIAL))
    fields = {name: v for name, v in flatten(config.to_dict()).items() if name not in own}
    parts = [flatten(config.to_dict())[name] > 0 for name in OFF_AT_ZERO]
    data = task_of(config).notes  # they say where the seed decides what is learnt
    return json.dumps([fields, parts, data], sort_keys=True)


def _run_group(jobs: Sequence[Job], population_size: int, watch: Watch, stop: StopRequest) -> int:
    """Runs one population after the other; returns how many jobs other processes hold."""
    held = 0
    programs: dict[int, Program] = {}
    for first in range(0, len(jobs), population_size):
        with ExitStack() as locks:
            members = []
            for job in jobs[first : first + population_size]:
                try:
                    locks.enter_context(open_workdir(job.workdir, job.config))
                except WorkdirInUse:
                    held += 1
                    continue
                if not outcome(job).finished:  # by the one that held it
                    members.append(job)
            if members:
                _stop_here(stop)
                _train(members, programs, watch, stop)
    return held


def _train(
    jobs: Sequence[Job], programs: dict[int, Program], watch: Watch, stop: StopRequest
) -> None:
    """Trains one population; `programs` are those of its group, by size."""
    runs = [
        Run(at_the_start(make_experiment(job.config), job.workdir), job.workdir) for job in jobs
    ]
    experiment, size = runs[0].experiment, len(runs)
    if not programs and experiment.note is not None:
        to_stderr(experiment.note)
    if size not in programs:
        programs[size] = make_program(experiment, size)
    data = experiment.task.source.load(to_stderr)
    running = dict(enumerate(jobs))
    for job in jobs:
        watch.started(job)
    try:
        train_population(
            runs, programs[size], data, stop, ended=lambda index: watch.ended(running.pop(index))
        )
    finally:
        for job in running.values():
            watch.ended(job)


def _stop_here(stop: StopRequest) -> None:
    if stop.received is not None:
        raise Interrupted(
            f"stopped by {stop.received.name} between two populations;"
            " run the same command again to go on"
        )
