"""An image is loaded once in each context of CUDA."""

from collections.abc import Callable

import jax
import numpy as np
import pytest

from asrnn.recurrence.native import cuda
from tests.recurrence.native.reference import Sizes, as_jax, random_arguments, scan

# A variant of no other test, for what was loaded once stays so.
ARGUMENTS = as_jax(random_arguments(Sizes(3, 4, 11, 2, False)))


@pytest.fixture
def launched(cuda_kernels: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., jax.Array]:
    """Runs the forward kernel in a context, where loading may be made to fail."""
    assert cuda.available(11, 2, False) is None  # which tries the image

    def launch(context: int, *, can_load: bool) -> jax.Array:
        monkeypatch.setenv("ASRNN_SIMULATOR_CONTEXT", str(context))
        monkeypatch.setenv("ASRNN_SIMULATOR_FAIL", "none:0" if can_load else "cuModuleLoadData:2")
        return jax.block_until_ready(cuda.unroll(*ARGUMENTS, return_states=False)[0])

    return launch


def test_an_image_is_loaded_once_in_each_context(launched: Callable[..., jax.Array]) -> None:
    expected = scan(*ARGUMENTS, return_states=False)[0]
    for context in (0, 1):
        with pytest.raises(jax.errors.JaxRuntimeError, match="cannot load the kernels"):
            launched(context, can_load=False)
        np.testing.assert_allclose(launched(context, can_load=True), expected, rtol=1e-5, atol=1e-6)
    # Each has its own by now. The driver refuses kernels of the other one.
    for context in (0, 1):
        np.testing.assert_allclose(
            launched(context, can_load=False), expected, rtol=1e-5, atol=1e-6
        )
