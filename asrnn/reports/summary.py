"""The closing table of a run."""

from collections.abc import Mapping
from typing import Any

from asrnn.console import duration


def summary_table(summary: Mapping[str, Any]) -> str:
    """A few aligned lines from the summary of a run."""
    rows = {
        "task, cell": f"{summary['task']}, {summary['cell']}",
        "test accuracy": _percent(summary["test_accuracy"]) + _stand_in(summary),
        "validation accuracy": _percent(summary["validation_accuracy"])
        + (f" (best, step {summary['best_step']:,})" if summary["best_step"] else ""),
        "parameters": f"{summary['num_parameters']:,}",
        "steps": f"{summary['steps']:,} in {duration(summary['seconds'])}",
        "recurrence": f"{summary['backend']} on {summary['device']}",
        "peak memory": f"{summary['peak_memory_bytes'] / 2**20:,.0f} MiB",
    }
    notes = {name: summary[name] for name in ("noise", "permutation_sha256") if name in summary}
    return "\n".join(f"{name:<20} {value}" for name, value in (rows | notes).items())


def _stand_in(summary: Mapping[str, Any]) -> str:
    """Says so where others than the best parameters were tested."""
    best, tested = summary["best_step"], summary.get("test_step")
    if best is None or tested in (None, best):
        return ""
    return f" (step {tested:,}: the best checkpoint is damaged)"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.2%}"
