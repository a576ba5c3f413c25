"""Commands of asrnn in forked children, so that a campaign of thousands does not start Python anew.

The parent imports what the commands import, which takes seconds, and starts neither jax nor a
thread. A child then is `python -m asrnn.COMMAND` from its first line of our code on.
"""

import argparse
import ctypes
import os
import resource
import runpy
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax

MODULES = (
    "asrnn.training.loop",
    "asrnn.training.population",
    "asrnn.reports.closing_tables",
    "asrnn.reports.learning_curve",
    "asrnn.reports.page",
    "asrnn.sweeps.sweep",
    "asrnn.sweeps.population",
    "asrnn.sweeps.engines",
    "asrnn.paper.table_results",
    "asrnn.trained",
    "sklearn.datasets",
    "matplotlib.pyplot",
    "orbax.checkpoint",
)
PARENT_DIED = 1  # PR_SET_PDEATHSIG


class Ended(NamedTuple):
    """How a child ended: its exit code, negative for a signal; what it said; how long it took."""

    code: int
    text: str
    seconds: float


def flags(about: str, counted: str, default: int) -> argparse.Namespace:
    """The flags of a campaign over cases: how many, the seed, one case only, a file."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument(f"--{counted}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0, help="of the moments, files and places")
    parser.add_argument("--case", help="only this one")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def preload(cache: Path) -> None:
    """Imports what the commands need; programs that one child compiled, the next finds in `cache`.

    Raises:
      AssertionError: if an import left a thread behind, which a child would miss. (OpenBLAS has
        threads too, and starts its own anew in a child.)
    """
    settings = {
        "jax_platforms": "cpu",
        "jax_compilation_cache_dir": str(cache),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)  # for the processes that a child starts
    for name in MODULES:
        import_module(name)
    assert threading.active_count() == 1, threading.enumerate()


def call(
    module: str,
    *args: str | Path,
    kill_after: float | None = None,
    limit: float = 300.0,
    first: Callable[[], None] | None = None,
) -> Ended:
    """Runs `python -m asrnn.MODULE ARGS` in a child.

    Args:
      module: the command.
      args: its arguments.
      kill_after: seconds after which it gets kill -9, if it has not ended.
      limit: seconds after which it hangs.
      first: what the child does before, such as setting limits to itself.
    """

    def command() -> None:
        if first is not None:
            first()
        sys.argv = [module, *map(str, args)]
        runpy.run_module(f"asrnn.{module}", run_name="__main__", alter_sys=True)

    return run(command, kill_after, limit)


def run(
    function: Callable[[], Any], kill_after: float | None = None, limit: float = 300.0
) -> Ended:
    """Runs a function in a child; what it prints is the text.

    Raises:
      TimeoutError: if it took longer than `limit` seconds.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _be_the_child(function, output.fileno())
        watched = os.pidfd_open(child)
        ended, _, _ = select.select([watched], [], [], limit if kill_after is None else kill_after)
        os.close(watched)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = time.monotonic() - started
        output.seek(0)
        text = output.read().decode(errors="replace")
    if not ended and kill_after is None:
        raise TimeoutError(f"no end after {limit:.0f} s: {text[-500:]}")
    return Ended(os.waitstatus_to_exitcode(status), text, seconds)


def _be_the_child(function: Callable[[], Any], output: int) -> None:
    """Never returns; the code is that of a Python process that runs the function."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdin = open(os.devnull)  # noqa: SIM115
        function()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # as Python says it at its end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def lines(ended: Ended) -> Sequence[str]:
    """What a command said, line by line."""
    return ended.text.splitlines()
