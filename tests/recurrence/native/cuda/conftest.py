"""The CUDA kernels where they can run: on a GPU, and everywhere on the simulator of one."""

from pathlib import Path

import jax
import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of a session build for the simulator."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture
def on_a_gpu() -> None:
    """For what only a GPU can run, or only a GPU in time."""
    if jax.default_backend() != "gpu":
        pytest.fail("these tests need a GPU: make test-gpu")


@pytest.fixture(
    params=[
        pytest.param("simulated", marks=pytest.mark.slow),
        pytest.param("gpu", marks=pytest.mark.gpu),
    ]
)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that run; simulated threads in another order after each meeting of theirs."""
    if request.param == "simulated":
        monkeypatch.setenv("ASRNN_SIMULATOR_SEED", "5")
        request.getfixturevalue("cuda_kernels")
    else:
        request.getfixturevalue("on_a_gpu")
