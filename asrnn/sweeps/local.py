"""The local engine: a process for each trial, some at a time, on one machine."""

import os
from collections.abc import Sequence

from asrnn.sweeps.pool import Pool
from asrnn.sweeps.process import start
from asrnn.sweeps.slots import make_slots, own_cores, visible_gpus
from asrnn.sweeps.trials import Job
from asrnn.sweeps.watch import Watch
from asrnn.training.signals import StopRequest


def run(jobs: Sequence[Job], *, workers: int, watch: Watch) -> None:
    """Brings the jobs to their end, `workers` at a time; those that are finished stay as they are.

    A trial whose process is killed goes on from its last checkpoint, in a new process. What
    a trial says to stderr is in log.txt of its workdir.

    Raises:
      ConfigError, DataError, CheckpointError: as a trial; the others are stopped and saved.
      Interrupted: after SIGTERM, SIGINT or SIGUSR1; all trials are stopped and saved.
      AsrnnError: at the end, if the processes of a trial died again and again.
    """
    slots = make_slots(workers, own_cores(), visible_gpus(os.environ))
    with StopRequest() as stop:
        Pool(jobs, slots, start, watch, stop).run()
