"""The CUDA kernels where they can run: on a GPU, and everywhere on the simulator of one."""

import jax
import pytest


@pytest.fixture(params=["simulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def kernel(request: pytest.FixtureRequest) -> None:
    """Kernels that run."""
    if request.param == "simulated":
        request.getfixturevalue("cuda_kernels")
    elif jax.default_backend() != "gpu":
        pytest.fail("these tests need a GPU: make test-gpu")
