"""A trial's process on this machine, whichever engine wants it."""

import os
import platform
import subprocess
import sys

from asrnn.errors import CheckpointError
from asrnn.sweeps.slots import MEMORY_FRACTION, Slot
from asrnn.sweeps.trials import Job
from asrnn.sweeps.worker import order

WORKER = (sys.executable, "-m", "asrnn.sweeps.worker")
LOG = "log.txt"
COMPILATIONS = ".compilations"


def start(job: Job, slot: Slot) -> subprocess.Popen[bytes]:
    """Starts a trial's process, in a session of its own: Ctrl-C is for the coordinator.

    What it says to stderr goes to log.txt of its workdir.

    Raises:
      CheckpointError: if its workdir cannot be written.
    """
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
            env=_environment(job, slot),
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(order(job, slot.cores))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; its exit code will say so
    return process


def last_line(job: Job) -> str:
    """The last words of a trial's process."""
    try:
        lines = (job.workdir / LOG).read_text(errors="replace").split("\n")
    except OSError as error:
        return f"its {LOG} cannot be read ({error.strerror})"
    return next((line for line in reversed(lines) if line.strip()), "it printed nothing")


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
