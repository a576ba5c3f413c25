"""The processes of trials on this machine: each runs one trial after the other.

Starting Python and jax takes seconds, as long as a short trial, so a process is kept for the next
trial of its slot. What a trial does to its process it does to no other: one that dies or fails in
an unforeseen way takes its process with it, and the next trial gets a new one.
"""

import json
import os
import platform
import select
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import IO

from asrnn.errors import CheckpointError
from asrnn.sweeps.slots import MEMORY_FRACTION, Slot
from asrnn.sweeps.trials import Job

WORKER = (sys.executable, "-m", "asrnn.sweeps.worker")
LOG = "log.txt"
COMPILATIONS = ".compilations"
WAIT = 0.5  # seconds between two looks at a process that nothing is heard of
JOBS = 50
"""Trials after which a process gives way to a new one, so that nothing can pile up in it."""


class Worker:
    """A process and the trial that it runs; see `asrnn.sweeps.pool.Process`.

    Args:
      job: the first one; the others are to be in the same folder.
      slot: where it runs.

    Raises:
      CheckpointError: if the workdir of the job cannot be written.
    """

    def __init__(self, job: Job, slot: Slot):
        self.slot = slot
        self._jobs = 0
        self._code: int | None = None
        with _open_log(job) as log:
            self._answers, self._answers_there = os.pipe()
            os.set_blocking(self._answers, False)
            self._process = subprocess.Popen(
                WORKER,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(self._answers_there,),
                env=_environment(job, slot),
                start_new_session=True,  # Ctrl-C is for the coordinator
            )
            os.close(self._answers_there)  # here; the process has it under the same number
        self._order(job)

    @property
    def idle(self) -> bool:
        """Whether it can take another job."""
        return self._code is not None and self._jobs < JOBS and self._process.poll() is None

    def give(self, job: Job) -> None:
        """Has it run a job.

        Raises:
          CheckpointError: if the workdir of the job cannot be written.
        """
        _open_log(job).close()  # here, where it can be said that it fails
        self._order(job)

    def _order(self, job: Job) -> None:
        self._jobs += 1
        self._code = None
        order = {
            "workdir": str(job.workdir),
            "config": job.config.to_dict(),
            "cores": list(self.slot.cores),
            "parent": os.getpid(),
            "argv": sys.orig_argv,
            "log": str(job.workdir / LOG),
            "answers": self._answers_there,
        }
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; its exit code will say so
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def poll(self) -> int | None:
        """The exit code of the job, or of a process that died with it; None while it runs."""
        if self._code is None:
            try:
                answer = os.read(self._answers, 64)
            except BlockingIOError:
                self._code = self._process.poll()  # what outlives it may hold the pipe open
            else:
                self._code = int(answer) if answer else self._process.wait()
        return self._code

    def terminate(self) -> None:
        """Asks the job to save its state and end."""
        self._process.terminate()

    def wait(self) -> int:
        """Returns when the job has ended."""
        while (code := self.poll()) is None:
            select.select([self._answers], [], [], WAIT)
        return code

    def dismiss(self) -> None:
        """Ends the process; its job has ended."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # of an order that it never read
            self._process.stdin.close()
        self._process.wait()
        os.close(self._answers)


class Workers:
    """The processes of this machine; they end with the context."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        busy = [worker for worker in self._workers if worker.poll() is None]
        for worker in busy:  # after an error that let nobody stop them
            worker.terminate()
        for worker in self._workers:
            worker.dismiss()

    def start(self, job: Job, slot: Slot) -> Worker:
        """Starts a job in the process of a slot, or in a new one if that has died or done enough.

        What the job says to stderr goes to log.txt of its workdir.

        Raises:
          CheckpointError: if its workdir cannot be written.
        """
        here = [worker for worker in self._workers if worker.slot == slot]
        for worker in here:
            if worker.idle:
                worker.give(job)
                return worker
        for worker in here:
            if worker.poll() is not None:
                self._workers.remove(worker)
                worker.dismiss()
        self._workers.append(Worker(job, slot))
        return self._workers[-1]


def last_line(job: Job) -> str:
    """The last words of a trial."""
    try:
        lines = (job.workdir / LOG).read_text(errors="replace").split("\n")
    except OSError as error:
        return f"its {LOG} cannot be read ({error.strerror})"
    return next((line for line in reversed(lines) if line.strip()), "it printed nothing")


def _open_log(job: Job) -> IO[bytes]:
    try:
        job.workdir.mkdir(parents=True, exist_ok=True)
        return (job.workdir / LOG).open("ab")
    except OSError as error:
        raise CheckpointError(f"cannot write to {job.workdir}: {error.strerror}") from None


def _environment(job: Job, slot: Slot) -> dict[str, str]:
    environment = {**_compilation_cache(job), **os.environ, **slot.environment}
    if MEMORY_FRACTION in slot.environment:
        environment.pop(f"XLA_PYTHON_{MEMORY_FRACTION.removeprefix('XLA_')}", None)  # not both
    return environment


def _compilation_cache(job: Job) -> dict[str, str]:
    """What one trial compiled, the next reuses; a folder for each machine's code."""
    folder = (job.workdir.parent / COMPILATIONS / platform.node()).absolute()
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
