"""How many updates go into one dispatch, after which the host sees their results."""

import time

from ml_collections import ConfigDict

from asrnn.typing import Array

MAX_STEPS = 64  # updates in one dispatch at most
SECONDS = 0.25  # how long a signal or a progress bar may have to wait


def periods(training: ConfigDict) -> tuple[int, ...]:
    """The numbers of updates after multiples of which a run has something else to do."""
    found = [training.log_every, training.eval_every, training.checkpoint_every]
    return (*found, *filter(None, [training.diagnostics_every]))


def next_event(step: int, last: int, periods: tuple[int, ...]) -> int:
    """The first step after `step` that is a multiple of a period, `last` at the latest."""
    return min(last, *(step - step % period + period for period in periods))


class DispatchSize:
    """How many updates to put into a dispatch, from the time that the last ones took.

    The choice is free to follow the clock: it changes nothing but the time at which the
    host hears of a result.
    """

    def __init__(self) -> None:
        self.count = 1
        self._ahead: Array | None = None
        self._ahead_count = 0
        self._done = time.monotonic()

    def wait(self, result: Array, count: int) -> None:
        """Notes a dispatch of `count` updates; waits for the one before it.

        Args:
          result: an array that the dispatch yields.
          count: its number of updates.
        """
        previous, previous_count = self._ahead, self._ahead_count
        self._ahead, self._ahead_count = result, count
        if previous is not None:
            previous.block_until_ready()
            now = time.monotonic()
            per_update = max(now - self._done, 1e-6) / previous_count
            self._done = now
            self.count = max(1, min(MAX_STEPS, int(SECONDS / per_update)))
