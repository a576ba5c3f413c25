"""What a benchmark sets before jax starts, and what it tells of its machine."""

from __future__ import annotations

import os

import jax
import pytest

from asrnn.benchmarks import environment as module
from asrnn.benchmarks.environment import PREALLOCATE, environment, hardware, share_gpu_memory

GPU = {
    "name": "NVIDIA H200",
    "number": 1,
    "compute_capability": "9.0",
    "memory": None,
    "driver": None,
    "platform_version": "cuda 13000",
    "torch": {},
}


def test_jax_takes_no_more_of_a_gpu_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREALLOCATE, "")
    monkeypatch.delenv(PREALLOCATE)
    share_gpu_memory()
    assert os.environ[PREALLOCATE] == "false"


def test_unless_the_user_has_it_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREALLOCATE, "true")
    share_gpu_memory()
    assert os.environ[PREALLOCATE] == "true"


def test_a_gpu_is_told_of_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "describe_gpu", lambda: GPU)
    assert "gpu" not in environment()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert environment()["gpu"] == GPU


def test_the_hardware_is_the_gpu_or_else_the_processor() -> None:
    cpu = {"cpu": "a processor", "cores": 2}
    assert hardware(cpu) == "a processor, 2 cores"
    assert hardware(cpu | {"gpu": GPU}).startswith("NVIDIA H200, ")


def test_variables_that_change_a_gpu_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    variables = environment()["variables"]
    assert variables["CUDA_VISIBLE_DEVICES"] == "3"
    assert variables["NVIDIA_TF32_OVERRIDE"] == "0"
