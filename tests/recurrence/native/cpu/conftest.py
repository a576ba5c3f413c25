"""Tests of the kernel run where there is a compiler."""

import os
from collections.abc import Iterator

import jax
import pytest

from asrnn.recurrence import PRECISIONS
from asrnn.recurrence.native.cpu import library


@pytest.fixture
def kernel(kernel_cache: str) -> None:
    """The compiled kernel, or a skip that says why there is none: but with sanitizers a failure."""
    if reason := library.reason_unavailable():
        if os.environ.get("ASRNN_NATIVE_SANITIZE"):
            pytest.fail(f"nothing to sanitize: {reason}")
        pytest.skip(reason)


@pytest.fixture(params=library.INSTRUCTION_SETS)
def instruction_set(
    request: pytest.FixtureRequest, kernel: None, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Each instruction set in turn, where the machine can run it."""
    name: str = request.param
    if name not in library.usable_instruction_sets():
        pytest.skip(f"this machine cannot run {name}")
    monkeypatch.setenv("ASRNN_NATIVE_ISA", name)
    return name


@pytest.fixture(params=library.ROUNDED)
def rounding(request: pytest.FixtureRequest, kernel: None) -> Iterator[str]:
    """Each rounding of products in turn, where the machine has a unit for it."""
    name: str = request.param
    if reason := library.obstacle_to_rounding():
        pytest.skip(reason)
    with jax.default_matmul_precision(PRECISIONS[name]):
        yield name
