"""The choice of a recurrence changes the speed of a run, not its course."""

from pathlib import Path

import jax
import numpy as np
import pytest

from asrnn.recurrence import native
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import rows, tiny_config

KERNELS = [
    pytest.param("adjoint", marks=pytest.mark.slow),
    "native",
    pytest.param("simulated", marks=pytest.mark.slow),
    pytest.param("gpu", marks=pytest.mark.gpu),
]


def losses(backend: str, workdir: Path) -> list[float]:
    """Of 60 updates, ten rows."""
    config = tiny_config(training__steps=60, training__log_every=6, training__eval_every=1000)
    config.recurrence.backend = backend
    assert train_and_evaluate(config, workdir)["backend"] == backend
    return [row["loss"] for row in rows(workdir) if row["split"] == "train"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses("scan", tmp_path_factory.mktemp("scan"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_learning_curve_of_a_kernel_is_that_of_scan(
    kernel: str, expected: list[float], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kernel == "gpu":
        if jax.default_backend() != "gpu":
            pytest.fail("these tests need a GPU: make test-gpu")
        assert native.available(1, 1, False) is None
    elif kernel == "simulated":
        request.getfixturevalue("cuda_kernels")
    elif kernel == "native" and (reason := native.available(1, 1, False)):
        pytest.skip(reason)
    found = losses("adjoint" if kernel == "adjoint" else "native", tmp_path)
    assert len(found) == len(expected) == 10
    np.testing.assert_allclose(found, expected, rtol=1e-4)
