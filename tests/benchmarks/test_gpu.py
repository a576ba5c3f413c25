"""What a report says of a GPU; jax's device and nvidia-smi are stand-ins."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from asrnn.benchmarks import gpu
from asrnn.benchmarks.gpu import describe_gpu, gpu_text

H200 = SimpleNamespace(
    device_kind="NVIDIA H200",
    compute_capability="9.0",
    client=SimpleNamespace(platform_version="PJRT C API\ncuda 13000"),
)


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """jax has one GPU, and there is no nvidia-smi and no torch."""
    monkeypatch.setattr(jax, "devices", lambda: [H200])
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))


def nvidia_smi(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_memory_and_driver_are_those_of_the_gpu_that_jax_has(tmp_path: Path) -> None:
    nvidia_smi(
        tmp_path,
        "echo 'NVIDIA T4, 15360 MiB, 580.65.06'; echo 'NVIDIA H200, 143771 MiB, 580.65.06'",
    )
    found = describe_gpu()
    assert json.loads(json.dumps(found)) == found
    assert (found["memory"], found["driver"]) == ("143771 MiB", "580.65.06")
    assert gpu_text(found) == (
        "NVIDIA H200, memory 143771 MiB, compute capability 9.0, driver 580.65.06,"
        " jax with PJRT C API cuda 13000"
    )


@pytest.mark.parametrize(
    "script",
    [
        None,
        "echo 'NVIDIA H200, 143771 MiB, 580.65.06'; exit 9",
        "echo 'NVIDIA T4, 15360 MiB, 580.65.06'",
        "echo 'No devices were found'; echo 'NVIDIA H200'",
    ],
)
def test_what_is_not_known_is_not_said(tmp_path: Path, script: str | None) -> None:
    if script is not None:
        nvidia_smi(tmp_path, script)
    text = gpu_text(describe_gpu())
    assert text == "NVIDIA H200, compute capability 9.0, jax with PJRT C API cuda 13000"


def test_several_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert gpu_text(describe_gpu()).startswith("8 NVIDIA H200, ")


def test_torch_has_a_cuda_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91300)
    text = gpu_text(describe_gpu())
    assert text.endswith(", torch with CUDA 13.0, torch with cuDNN 91300")
