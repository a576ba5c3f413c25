"""Pruning: a trial of a search ends where it is worse than most of the earlier ones were.

After each validation its best score so far is compared with the median of those that the finished
trials of the batches before had after as many updates (the rule of Optuna's MedianPruner). So what
is pruned depends on the results alone, and a resumed search prunes as one that was never stopped.
"""

from collections.abc import Sequence
from statistics import median

from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import METRICS
from asrnn.sweeps.trials import Job, Limits, best_so_far, outcome

ENOUGH = 4
"""Finished trials without which nothing is pruned."""


def limits_after(jobs: Sequence[Job]) -> Limits:
    """By validated step, the median cost of the jobs that are done; empty if they are too few.

    Args:
      jobs: of the batches before.
    """
    found = [(job, outcome(job)) for job in jobs]
    curves = [
        dict(best_so_far(read_rows(job.workdir / METRICS), one.objective))
        for job, one in found
        if one.status == "done"
    ]
    if len(curves) < ENOUGH:
        return {}
    steps = set.intersection(*map(set, curves))
    return {step: median(curve[step] for curve in curves) for step in sorted(steps)}
