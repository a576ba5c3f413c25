"""Pruning: a trial of a search ends where it is worse than most of the earlier ones were.

After each validation but the last its best score so far is compared with the median of those that
the finished trials of the batches before had after as many updates (the rule of Optuna's
MedianPruner). So what is pruned depends on the results alone, and a resumed search prunes as one
that was never stopped.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from statistics import median

from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import METRICS
from asrnn.sweeps.trials import Job, Limits, Point, Trial, best_so_far, outcome

ENOUGH = 4
"""Finished trials without which nothing is pruned."""


class Pruning:
    """The limits of the trials of a search, batch by batch; each finished trial is read once."""

    def __init__(self) -> None:
        self._batches: list[Limits] = []
        self._limits: dict[str, Limits] = {}
        self._curves: dict[str, list[Point]] = {}

    def limits(
        self, batches: Sequence[Sequence[Trial]], job: Callable[[Trial, Limits], Job]
    ) -> dict[str, Limits]:
        """By id, where each trial is pruned: by those of the batches before the first it is in.

        Args:
          batches: all so far; those of an earlier call first, and all but the last of them run.
          job: makes that of a trial.
        """
        for number, trials in enumerate(batches):
            if number == len(self._batches):
                for trial in batches[number - 1] if number else ():
                    self._add(trial, job(trial, self._limits[trial.id]))
                self._batches.append(_medians(list(self._curves.values())))
            for trial in trials:
                self._limits.setdefault(trial.id, self._batches[number])
        return dict(self._limits)

    def _add(self, trial: Trial, job: Job) -> None:
        found = outcome(job)
        if found.status == "done":
            rows = read_rows(job.workdir / METRICS)
            self._curves[trial.id] = best_so_far(rows, found.objective)


def _medians(curves: Sequence[Sequence[Point]]) -> Limits:
    """By validated step, the median cost; a curve keeps its last cost where it has ended."""
    steps = sorted({step for curve in curves for step, _ in curve})
    costs = {
        step: [
            curve[place - 1][1]
            for curve in curves
            if (place := bisect_right(curve, step, key=lambda point: point[0]))
        ]
        for step in steps
    }
    return {step: median(found) for step, found in costs.items() if len(found) >= ENOUGH}
