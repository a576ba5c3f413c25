"""Trials that wait, run and fail: what the engines with a process for each trial share."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from asrnn.console import to_stderr
from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    WorkdirInUse,
)
from asrnn.signals import StopRequest
from asrnn.sweeps.process import LOG, last_line
from asrnn.sweeps.trials import Job, Watch, outcome

ATTEMPTS = 3  # of a trial whose process dies
POLL = 0.05  # seconds
LOOK = 1.0  # seconds between two looks at the scores of trials that may be pruned
BUSY = 1.0  # seconds until a workdir that another process holds is tried again, doubled each time
BUSY_AT_MOST = 30.0  # seconds

END_OF_SWEEP = {error.exit_code: error for error in (ConfigError, DataError, CheckpointError)}
"""Exit codes of a trial that others would end with too."""

Place = TypeVar("Place")
"""Where a trial runs, one at a time: cores and GPUs of this machine, or a share of a cluster."""


class Process(Protocol):
    """A trial's process, here or elsewhere, with the methods of `subprocess.Popen`."""

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Asks it to save its state and leave."""

    def wait(self) -> object:
        """Returns when it has left."""


class Running(NamedTuple, Generic[Place]):
    """A trial's process and its place."""

    job: Job
    process: Process
    place: Place


class Pool(Generic[Place]):
    """Brings jobs to their end, as many at a time as there are places.

    Args:
      jobs: those that are finished stay as they are.
      places: where they run.
      start: starts a job at a place.
      watch: is told.
      stop: ends it all.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        places: Iterable[Place],
        start: Callable[[Job, Place], Process],
        watch: Watch,
        stop: StopRequest,
    ):
        self.waiting = deque((job, 0.0) for job in jobs if not outcome(job).finished)
        self.free = list(places)
        self.start = start
        self.running: list[Running[Place]] = []
        self.attempts: Counter[Path] = Counter()
        self.pauses: dict[Path, float] = {}
        self.failed: list[str] = []
        self.watch = watch
        self.stop = stop
        self.looked = 0.0  # for trials to prune
        self.pruned: set[Path] = set()

    def run(self) -> None:
        """Runs them all.

        Raises:
          ConfigError, DataError, CheckpointError: as a trial; the others are stopped and saved.
          Interrupted: after a signal; all trials are stopped and saved.
          AsrnnError: at the end, if the processes of a trial died again and again.
        """
        try:
            while (self.waiting or self.running) and self.stop.received is None:
                self.start_some()
                self.collect()
                self.prune()
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
        """Fills the free places with trials that are due and not finished by someone else."""
        now = time.monotonic()
        for _ in range(len(self.waiting)):
            if not self.free:
                return
            job, due = self.waiting.popleft()
            if due > now:
                self.waiting.append((job, due))
            elif not outcome(job).finished:
                place = self.free.pop(0)
                self.running.append(Running(job, self.start(job, place), place))
                self.watch.started(job)

    def collect(self) -> None:
        """Finds the processes that have ended, and acts on each exit code."""
        for entry in list(self.running):
            code = entry.process.poll()
            if code is not None:
                self.running.remove(entry)
                self.free.append(entry.place)
                self.watch.ended(entry.job)
                self.judge(entry.job, code)

    def prune(self) -> None:
        """Stops the trials that have come to one of their limits; looks at most once a second."""
        now = time.monotonic()
        if now < self.looked + LOOK:
            return
        self.looked = now
        for entry in self.running:
            told = entry.job.workdir in self.pruned  # a second signal would cut it short
            if entry.job.limits and not told and outcome(entry.job).status == "pruned":
                self.pruned.add(entry.job.workdir)
                entry.process.terminate()

    def judge(self, job: Job, code: int) -> None:
        """Decides by the exit code of a trial: finished, once more, or the end of all."""
        if code in (0, DivergedError.exit_code) or outcome(job).status == "pruned":
            return
        if code in END_OF_SWEEP:
            raise END_OF_SWEEP[code](f"trial {job.workdir.name}: {last_line(job)}")
        if code == WorkdirInUse.exit_code:
            self.wait_for(job)
            return
        self.attempts[job.workdir] += 1
        if self.attempts[job.workdir] < ATTEMPTS:
            self.waiting.append((job, 0.0))
        else:
            died = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.failed.append(f"{job.workdir.name} ({died} {ATTEMPTS} times, see its {LOG})")

    def wait_for(self, job: Job) -> None:
        """Puts off a trial whose workdir another process holds, each time for longer."""
        if job.workdir not in self.pauses:
            to_stderr(f"trial {job.workdir.name} waits for another process: {last_line(job)}")
        pause = self.pauses.get(job.workdir, BUSY)
        self.pauses[job.workdir] = min(2 * pause, BUSY_AT_MOST)
        self.waiting.append((job, time.monotonic() + pause))

    def stop_all(self) -> None:
        """Lets every running trial save its state and leave."""
        for entry in self.running:
            entry.process.terminate()
        for entry in self.running:
            entry.process.wait()
            self.watch.ended(entry.job)
        self.running.clear()
