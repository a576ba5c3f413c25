"""Updates in dispatches as long as those of training."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from asrnn.benchmarks.repetition import warm_up
from asrnn.benchmarks.system import Prepared
from asrnn.training import dispatch_size

RUN_SECONDS = 1.0  # how long a run takes at least, about

Dispatch = Callable[[int], Any]
"""Makes that many updates and returns their sums once they are made."""


def paced(dispatch: Dispatch, members: int, compile_seconds: float, devices: int) -> Prepared:
    """As many updates in a dispatch as `DispatchSize` chooses, and dispatches for a whole run.

    Runs of similar length get a similar share of a machine that others use too.

    Args:
      dispatch: counts updates, of all members at once.
      members: how many train together.
      compile_seconds: of the program.
      devices: on which it runs.
    """
    warm_up(lambda: dispatch(1))
    began = time.perf_counter()
    dispatch(1)
    update = time.perf_counter() - began
    count = max(1, min(dispatch_size.MAX_STEPS, int(dispatch_size.SECONDS / update)))
    dispatches = max(1, round(RUN_SECONDS / (count * update)))

    def run() -> Any:
        for _ in range(dispatches):
            done = made(dispatch, count)
        return done

    details = {"members": members, "updates": count * dispatches, "devices": devices}
    return Prepared(run, count * dispatches * members, compile_seconds, details)


def made(dispatch: Dispatch, count: int) -> Any:
    """What a dispatch records of its updates.

    Raises:
      AssertionError: if it made another number of them.
    """
    done = dispatch(count)
    if not np.all(np.asarray(done["steps"]) == count):
        raise AssertionError(f"{done['steps']} of {count} updates were made")
    return done
