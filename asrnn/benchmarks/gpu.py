"""The GPU of a benchmark, as far as it can be known without another package."""

import subprocess
from importlib.util import find_spec
from typing import Any

import jax

SMI = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
SMI_SECONDS = 30


def describe_gpu() -> dict[str, Any]:
    """Name, compute capability, versions; of NVIDIA's also memory and driver; None if unknown."""
    device = jax.devices()[0]
    memory, driver = _memory_and_driver(device.device_kind)
    return {
        "name": device.device_kind,
        "number": jax.device_count(),
        "compute_capability": getattr(device, "compute_capability", None),
        "memory": memory,
        "driver": driver,
        "platform_version": " ".join(device.client.platform_version.split()),
        "torch": _torch_versions(),
    }


def gpu_text(gpu: dict[str, Any]) -> str:
    """What `describe_gpu` found, in a line for a reader."""
    known = {
        "": gpu["name"] if gpu["number"] == 1 else f"{gpu['number']} {gpu['name']}",
        "memory ": gpu["memory"],
        "compute capability ": gpu["compute_capability"],
        "driver ": gpu["driver"],
        "jax with ": gpu["platform_version"],
        **{f"torch with {library} ": version for library, version in gpu["torch"].items()},
    }
    return ", ".join(f"{what}{found}" for what, found in known.items() if found)


def _memory_and_driver(name: str) -> tuple[str | None, str | None]:
    """Of the first GPU of that name; nvidia-smi also lists those that jax was not given."""
    try:
        done = subprocess.run(SMI, capture_output=True, text=True, timeout=SMI_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None, None
    for line in done.stdout.splitlines():
        found, *others = line.split(", ")
        if found == name and len(others) == 2:
            return others[0], others[1]
    return None, None


def _torch_versions() -> dict[str, Any]:
    if find_spec("torch") is None:
        return {}
    import torch

    return {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()}
