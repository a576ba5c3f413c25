"""summary.json: what became of a run, on which machine and with which versions."""

import json
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from asrnn.training.checkpoints import write_atomically
from asrnn.training.devices import cpu_cores

SUMMARY = "summary.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def write_summary(workdir: Path, outcome: dict[str, Any]) -> dict[str, Any]:
    """Adds device, memory and versions to the outcome of a run and writes summary.json."""
    summary = outcome | {
        "device": device_name(),
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }
    write_atomically(workdir / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return summary


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """The summary.json of a workdir; None if there is none, or no whole one."""
    try:
        summary: dict[str, Any] = json.loads((workdir / SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "status" in summary else None


def device_name() -> str:
    """For example "cpu (2 cores)" or "gpu NVIDIA H200"."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"cpu ({cpu_cores()} cores)"
    return f"{device.platform} {device.device_kind}"


def peak_memory_bytes() -> int:
    """The largest resident size that this process had; host memory only."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def duration(seconds: float) -> str:
    """90 -> "1m30s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
