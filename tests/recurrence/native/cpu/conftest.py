"""Tests of the kernel run where there is a compiler; a cache of the user's is not touched."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from asrnn.recurrence.native.cpu import library


@pytest.fixture(scope="session")
def kernel_cache() -> Iterator[str]:
    """A cache folder for this session, unless the environment names one."""
    if named := os.environ.get("ASRNN_CACHE_DIR"):
        yield named
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASRNN_CACHE_DIR", folder)
        yield folder


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
