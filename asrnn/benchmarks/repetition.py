"""Runs that last: on an accelerator a run does its work many times over.

A CPU works for tens of milliseconds, and a run is the work, once. A GPU may be done within
0.2 ms, which is hardly longer than it takes to launch the work and to hear of its end. There a
run launches the work again and again without waiting, often enough to fill `RUN_SECONDS`, and
waits for the last result; a device takes executions in their order, so all are done by then.

No repetition can be left out: each is an execution of a program that is already compiled, or
a row of launched kernels, and neither XLA nor torch looks across two of them. Their inputs
are the same, so that these are in the device's cache as far as they fit. Before anything is
timed the work is done `WARM_UP` times: the first execution of an XLA program with a CUDA graph
goes without it and the second builds it, and cuDNN and cuBLAS choose their kernels.
"""

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax

RUN_SECONDS = 0.2  # about how long a run on an accelerator lasts at least
WARM_UP = 3  # executions on an accelerator before one is timed
TRIALS = 3

Result = TypeVar("Result")


def accelerated() -> bool:
    """Whether jax runs on something faster than a CPU."""
    return jax.default_backend() != "cpu"


def gpu_obstacle() -> str | None:
    """Why a system that only a GPU has cannot be measured here."""
    return None if jax.default_backend() == "gpu" else "only a GPU can do it"


def repeated(
    work: Callable[[], Result], wait: Callable[[Result], Any]
) -> tuple[Callable[[], Result], int]:
    """A run of some work, and how often it does it.

    Args:
      work: does it once, or begins to; returns its result.
      wait: returns when a result, and all that was begun before it, is complete.
    """

    def run(times: int) -> Result:
        for _ in range(times):
            result = work()
        wait(result)
        return result

    times = _times_to_fill(lambda: run(1)) if accelerated() else 1
    return lambda: run(times), times


def _times_to_fill(once: Callable[[], Any]) -> int:
    return math.ceil(RUN_SECONDS / best_of(once))


def warm_up(run: Callable[[], Any]) -> None:
    """Runs what is to be timed next, uncounted."""
    for _ in range(WARM_UP if accelerated() else 1):
        run()


def best_of(run: Callable[[], Any]) -> float:
    """The seconds of the fastest of a few runs, after a warm-up."""
    warm_up(run)
    seconds = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
