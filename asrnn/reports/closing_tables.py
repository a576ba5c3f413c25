"""The closing table of a run, and that of a sweep."""

import shlex
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from asrnn.console import duration, nonzero
from asrnn.objectives import CROSS_ENTROPY, Metric, Objective
from asrnn.sweeps.progress_table import describe
from asrnn.sweeps.trials import Trial

if TYPE_CHECKING:
    from asrnn.sweeps.sweep import Result

SHOWN = 10


def summary_table(summary: Mapping[str, Any], objective: Objective = CROSS_ENTROPY) -> str:
    """A few aligned lines from the summary of a run."""
    name, metric = objective.monitored, objective.metric
    rows = {
        "task, cell": f"{summary['task']}, {summary['cell']}",
        f"test {name}": _text(metric, summary[f"test_{name}"]) + _stand_in(summary),
        f"validation {name}": _text(metric, summary[f"validation_{name}"])
        + (f" (best, step {summary['best_step']:,})" if summary["best_step"] else ""),
        "parameters": f"{summary['num_parameters']:,}",
        "steps": f"{summary['steps']:,} in {duration(summary['seconds'])}" + _early(summary),
        "recurrence": f"{summary['backend']}{_rounded(summary)} on {summary['device']}",
        "peak memory": f"{summary['peak_memory_bytes'] / 2**20:,.0f} MiB",
    }
    notes = {name: summary[name] for name in ("noise", "permutation_sha256") if name in summary}
    return "\n".join(f"{name:<20} {value}" for name, value in (rows | notes).items())


def _rounded(summary: Mapping[str, Any]) -> str:
    """Says so where products were rounded."""
    precision: str = summary.get("precision", "")
    return f" in {precision}" if precision.startswith("bfloat16") else ""


def _early(summary: Mapping[str, Any]) -> str:
    """Says so where the run's patience ended it."""
    patience = summary.get("exhausted_patience")
    if patience is None:
        return ""
    return f" (of {summary['steps_asked']:,}: patience of {patience} exhausted)"


def _stand_in(summary: Mapping[str, Any]) -> str:
    """Says so where others than the best parameters were tested."""
    best, tested = summary["best_step"], summary.get("test_step")
    if best is None or tested in (None, best):
        return ""
    return f" (step {tested:,}: the best checkpoint is damaged)"


def _text(metric: Metric, value: float | None) -> str:
    return "none" if value is None else metric.text(value)


def sweep_table(result: "Result", command: str) -> str:
    """The leading settings, one a line, and the whole command of the best.

    Args:
      result: of the sweep.
      command: of a trial, without what the trials differ in.
    """
    found = result.outcomes.values()
    objective = next(iter(found)).objective
    lines = [f"{'validation':>10}  {'seeds':>5}  setting"]
    for score, group in result.ranking[:SHOWN]:
        statuses = {result.outcomes[trial.id].status for trial in group}
        ended = next((it for it in ("diverged", "pruned") if it in statuses), None)
        text = objective.metric.text(score) if score is not None or ended is None else ended
        lines.append(f"{text:>10}  {len(group):>5}  {_setting(group)}")
    dropped = len(found) - sum(len(group) for _, group in result.ranking)
    counts = {
        "dropped at a rung": dropped,
        "pruned": sum(one.status == "pruned" for one in found),
        "diverged": sum(one.status == "diverged" for one in found),
        "not finished yet": sum(not one.finished for one in found),
    }
    lines.append(
        f"picked by validation {objective.monitored}, never by test;"
        f" {', '.join([f'{len(found)} trials', *nonzero(counts)])}"
    )
    score, best = result.ranking[0]
    tests = [result.outcomes[trial.id].test for trial in best]
    known = [test for test in tests if test is not None]
    if score is not None and len(known) == len(best):
        mean = f" (mean of {len(best)} seeds)" if len(best) > 1 else ""
        text = objective.metric.text(fmean(known))
        lines.append(f"test {objective.monitored} of the best: {text}{mean}")
    found_one = f"{command} {_flags(best[0])}"
    lines.append(f"best: {'none, no setting has finished' if score is None else found_one}")
    return "\n".join(lines)


def _flags(trial: Trial) -> str:
    """What a trial changes as flags of `asrnn.train`."""
    flags = (f"--config.{name}={value}" for name, value in trial.overrides.items())
    return " ".join(map(shlex.quote, flags))


def _setting(group: Sequence[Trial]) -> str:
    """What a group has in common, in the order of the space, as while it ran."""
    fields = {name: value for name, value in group[0].overrides.items() if name != "seed"}
    return describe(Trial("", fields))
