"""The process of trials: `python -m asrnn.sweeps.worker`, its jobs as lines on standard input.

It pins itself to its cores before jax is imported, ends with its coordinator or with its input,
and answers each job with the exit code that `asrnn.train` would have. An error that is no
`AsrnnError` is a defect, after which the process cannot be trusted: it ends with the traceback.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from asrnn.errors import AsrnnError

PR_SET_PDEATHSIG = 1
RESET_PEAK = "5"  # what makes /proc/self/clear_refs begin the largest resident size anew


def main() -> None:
    """Runs one job after the other."""
    orders = os.fdopen(os.dup(0), "rb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # what a job starts can take no order
    for line in orders:
        given = json.loads(line)
        os.set_inheritable(given["answers"], False)  # or whatever outlives this would keep it open
        _end_with_parent(given["parent"])
        if given["cores"]:
            os.sched_setaffinity(0, given["cores"])
        sys.orig_argv = given["argv"]  # summaries name the command that a person gave
        _say_into(Path(given["log"]))
        with suppress(OSError):  # the peak memory of a trial is its own
            Path("/proc/self/clear_refs").write_text(RESET_PEAK)
        code = _outcome(given["config"], Path(given["workdir"]))
        with suppress(BrokenPipeError):  # the coordinator is gone
            os.write(given["answers"], f"{code}\n".encode())


def _outcome(config: dict[str, Any], workdir: Path) -> int:
    try:
        run_job(config, workdir)
    except AsrnnError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    finally:
        gc.collect()  # data and parameters of the job
    return 0


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


def _say_into(log: Path) -> None:
    """Leads what is printed from now on to a file."""
    sys.stdout.flush()
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())


def _end_with_parent(parent: int) -> None:
    """Has Linux send SIGTERM when the coordinator is gone, however it ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(AsrnnError.exit_code)


if __name__ == "__main__":
    main()
