"""summary.json: what became of a run, on which machine and with which versions."""

import json
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from asrnn.training.checkpoints import write_atomically
from asrnn.training.devices import cpu_cores, matmul_precision

SUMMARY = "summary.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def make_summary(outcome: dict[str, Any], mesh: Mesh) -> dict[str, Any]:
    """The outcome of a run, and the devices, memory and versions that it took."""
    return outcome | {
        "device": device_name(mesh),
        "matmul_precision": matmul_precision(),
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }


def write_summary(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes summary.json.

    Raises:
      CheckpointError: if it cannot be written.
    """
    write_atomically(workdir / SUMMARY, json.dumps(summary, indent=2) + "\n")


def read_summary(workdir: Path) -> dict[str, Any] | None:
    """The summary.json of a workdir; None if there is none, or no whole one."""
    try:
        summary: dict[str, Any] = json.loads((workdir / SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "status" in summary else None


def device_name(mesh: Mesh) -> str:
    """For example "cpu (2 cores)", "gpu NVIDIA H200", "2 processes, 4 devices: cpu (2 cores)"."""
    device = mesh.devices.flat[0]
    name = f"{device.platform} {device.device_kind}"
    if device.platform == "cpu":
        cores = cpu_cores()
        name = f"cpu ({cores} core{'s' * (cores != 1)})"
    processes = len({device.process_index for device in mesh.devices.flat})
    return name if processes == 1 else f"{processes} processes, {mesh.size} devices: {name}"


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
