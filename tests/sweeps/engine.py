"""The simplest engine: one job after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from asrnn.errors import DivergedError
from asrnn.sweeps.trials import Job, Watch, outcome
from asrnn.training.loop import train_and_evaluate


def in_process(jobs: Sequence[Job], watch: Watch) -> None:
    """Runs the jobs that are not finished."""
    for job in jobs:
        if not outcome(job).finished:
            watch.started(job)
            try:
                train_and_evaluate(job.config, job.workdir)
            except DivergedError:
                pass
            finally:
                watch.ended(job)
