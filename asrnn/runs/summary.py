"""summary.json: what became of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asrnn.files import read_sealed, sealed, write_atomically

SUMMARY = "summary.json"

DONE, STOPPED, DIVERGED = "done", "stopped", "diverged"
"""The `status` of a run: trained to its end, stopped by a signal, loss not finite."""


def write_summary(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes summary.json.

    Raises:
      CheckpointError: if it cannot be written.
    """
    write_atomically(workdir / SUMMARY, json.dumps(sealed(summary), indent=2) + "\n")


def is_finished(summary: Mapping[str, Any], steps: int, patience: int) -> bool:
    """Whether a run has come to its end as a config has it.

    Args:
      summary: of the run.
      steps: `training.steps` of the config.
      patience: `training.patience` of the config; with another one, a run that ended early goes on.
    """
    if summary["status"] != DONE:
        return False
    exhausted = summary.get("exhausted_patience")  # earlier versions had none
    return bool(summary["steps"] == steps or (exhausted == patience and summary["steps"] < steps))


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """The summary.json of a workdir; None if there is none, or not as it was written."""
    try:
        summary = read_sealed(workdir / SUMMARY)
    except (OSError, ValueError):
        return None
    return summary if {"status", "steps"} <= summary.keys() else None
