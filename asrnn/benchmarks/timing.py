"""Fair clocks: all contestants take turns, so that what disturbs one disturbs all."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

Name = TypeVar("Name")

# OpenMP's threads spin for some milliseconds after their work is done, on cores that the next
# contestant is to have for itself.
REST_SECONDS = 0.05


def interleaved(
    runs: Mapping[Name, Callable[[], Any]],
    repeats: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Name, list[float]]:
    """The seconds of `repeats` runs of each, one of each in turn, after one that is not counted.

    Each round begins with another contestant, so that none is always first.

    Args:
      runs: what to measure; a call returns when its work is done.
      repeats: how often.
      clock: seconds.
      sleep: waits for idle cores before each run.
    """
    names = list(runs)
    for run in runs.values():
        run()
    seconds: dict[Name, list[float]] = {name: [] for name in names}
    with _no_collection():
        for turn in range(repeats):
            first = turn % len(names) if names else 0
            for name in names[first:] + names[:first]:
                sleep(REST_SECONDS)
                began = clock()
                runs[name]()
                seconds[name].append(clock() - began)
    return seconds


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
