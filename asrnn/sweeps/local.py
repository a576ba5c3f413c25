"""The local engine: a process for each trial, some at a time, on one machine."""

import os
import platform
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    WorkdirInUse,
)
from asrnn.sweeps.slots import Slot, make_slots, own_cores, visible_gpus
from asrnn.sweeps.trials import Job, outcome
from asrnn.sweeps.watch import Watch
from asrnn.sweeps.worker import order
from asrnn.training.signals import StopRequest

WORKER = (sys.executable, "-m", "asrnn.sweeps.worker")
LOG = "log.txt"
COMPILATIONS = ".compilations"
ATTEMPTS = 3  # of a trial whose process dies
POLL = 0.05  # seconds
BUSY = 1.0  # seconds until a workdir that another process holds is tried again

END_OF_SWEEP = {error.exit_code: error for error in (ConfigError, DataError, CheckpointError)}
"""Exit codes of a trial that others would end with too."""


class Running(NamedTuple):
    """A trial's process and its place."""

    job: Job
    process: subprocess.Popen[bytes]
    slot: Slot


def run(jobs: Sequence[Job], *, workers: int, watch: Watch) -> None:
    """Brings the jobs to their end, `workers` at a time; those that are finished stay as they are.

    A trial whose process is killed goes on from its last checkpoint, in a new process. What
    a trial says to stderr is in log.txt of its workdir.

    Raises:
      ConfigError, DataError, CheckpointError: as a trial; the others are stopped and saved.
      Interrupted: after SIGTERM, SIGINT or SIGUSR1; all trials are stopped and saved.
      AsrnnError: at the end, if the processes of a trial died again and again.
    """
    with StopRequest() as stop:
        _Pool(jobs, workers, watch, stop).run()


class _Pool:
    """The trials that wait, those that run, and those that failed."""

    def __init__(self, jobs: Sequence[Job], workers: int, watch: Watch, stop: StopRequest):
        self.waiting = deque((job, 0.0) for job in jobs if not outcome(job).finished)
        self.free = make_slots(workers, own_cores(), visible_gpus(os.environ))
        self.running: list[Running] = []
        self.attempts: Counter[Path] = Counter()
        self.failed: list[str] = []
        self.watch = watch
        self.stop = stop

    def run(self) -> None:
        try:
            while (self.waiting or self.running) and self.stop.received is None:
                self.start_some()
                self.collect()
                time.sleep(POLL)
        finally:
            self.stop_all()
        if self.stop.received is not None:
            raise Interrupted(
                f"stopped by {self.stop.received.name}, all trials saved;"
                " run the same command again to go on"
            )
        if self.failed:
            raise AsrnnError(f"{len(self.failed)} trials failed: {'; '.join(self.failed)}")

    def start_some(self) -> None:
        """Fills the free slots with trials that are due and not finished by someone else."""
        now = time.monotonic()
        for _ in range(len(self.waiting)):
            if not self.free:
                return
            job, due = self.waiting.popleft()
            if due > now:
                self.waiting.append((job, due))
            elif not outcome(job).finished:
                slot = self.free.pop(0)
                self.running.append(Running(job, _start(job, slot), slot))
                self.watch.started(job)

    def collect(self) -> None:
        """Looks which processes have ended, and what that means."""
        for entry in list(self.running):
            code = entry.process.poll()
            if code is not None:
                self.running.remove(entry)
                self.free.append(entry.slot)
                self.watch.ended(entry.job)
                self.judge(entry.job, code)

    def judge(self, job: Job, code: int) -> None:
        """Decides by the exit code of a trial: finished, once more, or the end of all."""
        if code in (0, DivergedError.exit_code):
            return
        if code in END_OF_SWEEP:
            raise END_OF_SWEEP[code](f"trial {job.workdir.name}: {_last_line(job)}")
        if code == WorkdirInUse.exit_code:
            self.waiting.append((job, time.monotonic() + BUSY))
            return
        self.attempts[job.workdir] += 1
        if self.attempts[job.workdir] < ATTEMPTS:
            self.waiting.append((job, 0.0))
        else:
            died = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.failed.append(f"{job.workdir.name} ({died} {ATTEMPTS} times, see its {LOG})")

    def stop_all(self) -> None:
        """Lets every running trial save its state and leave."""
        for entry in self.running:
            entry.process.terminate()
        for entry in self.running:
            entry.process.wait()
            self.watch.ended(entry.job)
        self.running.clear()


def _start(job: Job, slot: Slot) -> subprocess.Popen[bytes]:
    """Starts a trial's process, in a session of its own: Ctrl-C is for the coordinator."""
    try:
        job.workdir.mkdir(parents=True, exist_ok=True)
        log = (job.workdir / LOG).open("ab")
    except OSError as error:
        raise CheckpointError(f"cannot write to {job.workdir}: {error.strerror}") from None
    with log:
        process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**_compilation_cache(job), **os.environ, **slot.environment},
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(order(job, slot.cores))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; its exit code will say so
    return process


def _compilation_cache(job: Job) -> dict[str, str]:
    """What one trial compiled, the next need not; a folder a machine, as is compiled code."""
    folder = (job.workdir.parent / COMPILATIONS / platform.node()).absolute()
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def _last_line(job: Job) -> str:
    lines = (job.workdir / LOG).read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
