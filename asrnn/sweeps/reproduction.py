"""Runs what a table needs and does not have yet."""

from collections.abc import Callable, Sequence

from asrnn.sweeps.board import Board
from asrnn.sweeps.trials import Job, Trial, outcome
from asrnn.sweeps.watch import Watch


def run_missing(jobs: Sequence[Job], engine: Callable[[Sequence[Job], Watch], None]) -> None:
    """Brings the runs of some rows to their end; finished ones stay as they are.

    Raises:
      AsrnnError: as the engine, `asrnn.sweeps.local.run` for example.
    """
    with Board([Trial(job.workdir.name, {}) for job in jobs]) as board:
        steps = max(job.config.training.steps for job in jobs)
        board.rung(steps, {job.workdir.name: outcome(job) for job in jobs})
        engine(jobs, board)
