"""The choice of a recurrence changes the speed of a run, not its course."""

from pathlib import Path

import numpy as np
import pytest

from asrnn.recurrence import native
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import rows, tiny_config


@pytest.mark.parametrize("backend", ["fused", "native", "cuda"])
def test_the_learning_curve_of_a_kernel_is_that_of_scan(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if backend == "cuda":
        request.getfixturevalue("cuda_kernels")
        backend = "native"
    if backend == "native" and native.available(1, 1, False) is not None:
        pytest.skip(str(native.available(1, 1, False)))
    curves = []
    for name in ("scan", backend):
        config = tiny_config(training__steps=200, training__log_every=20, training__eval_every=1000)
        config.recurrence.backend = name
        assert train_and_evaluate(config, tmp_path / name)["backend"] == name
        curves.append([row["loss"] for row in rows(tmp_path / name) if row["split"] == "train"])
    assert len(curves[0]) == 10
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
