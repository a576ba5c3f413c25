"""The choice of a recurrence changes the speed of a run, not its course."""

from pathlib import Path

import jax
import numpy as np
import pytest

from asrnn.recurrence import native
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import rows, tiny_config

KERNELS = [
    "fused",
    "native",
    pytest.param("simulated", marks=pytest.mark.slow),
    pytest.param("gpu", marks=pytest.mark.gpu),
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_learning_curve_of_a_kernel_is_that_of_scan(
    kernel: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kernel == "gpu":
        if jax.default_backend() != "gpu":
            pytest.fail("these tests need a GPU: make test-gpu")
        assert native.available(1, 1, False) is None
    elif kernel == "simulated":
        request.getfixturevalue("cuda_kernels")
    elif kernel == "native" and (reason := native.available(1, 1, False)):
        pytest.skip(reason)
    backend = "fused" if kernel == "fused" else "native"
    curves = []
    for name in ("scan", backend):
        config = tiny_config(training__steps=200, training__log_every=20, training__eval_every=1000)
        config.recurrence.backend = name
        assert train_and_evaluate(config, tmp_path / name)["backend"] == name
        curves.append([row["loss"] for row in rows(tmp_path / name) if row["split"] == "train"])
    assert len(curves[0]) == 10
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
