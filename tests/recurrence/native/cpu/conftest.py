"""Tests of the kernel run where there is a compiler."""

import os

import pytest

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
