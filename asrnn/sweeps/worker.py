"""The process of one trial: `python -m asrnn.sweeps.worker`, its job on standard input.

It pins itself to its cores before jax is imported, ends with its coordinator, and exits with
the exit codes of `asrnn.train`.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asrnn.errors import AsrnnError
from asrnn.sweeps.trials import Job

PR_SET_PDEATHSIG = 1


def order(job: Job, cores: Sequence[int]) -> bytes:
    """What `main` reads: the job and the cores, from the process that is to be its parent."""
    text = {
        "workdir": str(job.workdir),
        "config": job.config.to_dict(),
        "cores": list(cores),
        "parent": os.getpid(),
        "argv": sys.orig_argv,
    }
    return json.dumps(text).encode()


def main() -> None:
    """Runs one job."""
    given = json.loads(sys.stdin.buffer.read())
    if given["cores"]:
        os.sched_setaffinity(0, given["cores"])
    sys.orig_argv = given["argv"]  # summaries name the command that a person gave
    _end_with_parent(given["parent"])
    try:
        run_job(given["config"], Path(given["workdir"]))
    except AsrnnError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run_job(config: dict[str, Any], workdir: Path) -> None:
    """The trial function: what `asrnn.train` does, whichever engine calls it.

    Raises:
      AsrnnError: as `asrnn.training.loop.train_and_evaluate`.
    """
    from ml_collections import ConfigDict

    from asrnn.training.devices import configure_jax
    from asrnn.training.loop import train

    configure_jax()
    train(ConfigDict(config), workdir)


def _end_with_parent(parent: int) -> None:
    """Has Linux send SIGTERM when the coordinator is gone, however it ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(AsrnnError.exit_code)


if __name__ == "__main__":
    main()
