"""What a benchmark ran on: without it a number means nothing."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from asrnn.benchmarks.gpu import describe_gpu, gpu_text
from asrnn.training.devices import cpu_cores, pin_numbers, split_cpu_into_cores, start_jax

PACKAGES = ("asrnn", "jax", "jaxlib", "flax", "optax", "numpy", "torch")
CUDA_PACKAGES = ("jax-cuda12-plugin", "jax-cuda13-plugin", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
VARIABLES = ("XLA_", "OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_", "GLIBC_", "ASRNN_", "JAX_")
CUDA_VARIABLES = ("CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_TF32_OVERRIDE", "TORCH_", "PYTORCH_")
PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def configure_jax() -> None:
    """Configures jax as the training commands do, but without a cache of compiled programs.

    To be called before jax starts.
    """
    share_gpu_memory()
    split_cpu_into_cores()
    pin_numbers()
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_enable_compilation_cache", False)
    start_jax()


def share_gpu_memory() -> None:
    """Has jax take memory of a GPU as it needs it, unless the user has said otherwise.

    It would take three quarters of all when it starts, and torch and the processes that
    measure memory have to find theirs beside it.
    """
    os.environ.setdefault(PREALLOCATE, "false")


def environment() -> dict[str, Any]:
    """Date, versions, processor, cores, load, devices and the variables that matter."""
    gpu = {"gpu": describe_gpu()} if jax.default_backend() == "gpu" else {}
    return gpu | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | _versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": cpu_cores(),
        "load": round(os.getloadavg()[0], 2),
        "devices": [f"{device.platform} {device.device_kind}" for device in jax.devices()],
        "huge_pages": HUGE_PAGES.read_text().strip() if HUGE_PAGES.exists() else None,
        "variables": {
            k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLES + CUDA_VARIABLES)
        },
    }


def hardware(found: dict[str, Any]) -> str:
    """The hardware of an `environment` that does the work: its GPU, or else its processor."""
    if "gpu" in found:
        return gpu_text(found["gpu"])
    return f"{found['cpu']}, {found['cores']} cores"


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES + CUDA_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
