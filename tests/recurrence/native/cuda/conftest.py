"""The CUDA kernels where they can run: on a GPU, and everywhere on the simulator of one."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from asrnn.recurrence.native import cpp
from asrnn.recurrence.native.cuda import compiler, library
from asrnn.recurrence.native.cuda.library import Target
from asrnn.recurrence.native.cuda.variant import Variant
from tests.recurrence.native.cuda import simulator

SIMULATED = cpp.Unit("cuda_handler", "handler.cc", ("-DASRNN_SIMULATED",))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of a session build for the simulator."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture(scope="session")
def simulated_target(kernel_cache: str, folder: Path) -> Target:
    """A GPU's place taken by the CPU: XLA's calls, handlers and kernels are the real ones."""
    if simulator.compiler() is None:
        pytest.skip("no g++")

    def image(variant: Variant) -> bytes:
        built = simulator.build(library.HERE, compiler.KERNELS, variant.macros(), folder)
        return str(built).encode() + b"\0"

    return Target("cpu", SIMULATED, str(simulator.driver(folder)), image)


@pytest.fixture(params=["simulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    """Kernels that run."""
    if request.param == "gpu":
        if jax.default_backend() != "gpu":
            pytest.fail("these tests need a GPU")
        yield
        return
    target: Target = request.getfixturevalue("simulated_target")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "gpu", lambda: target)
        library.image_number.cache_clear()
        yield
    library.image_number.cache_clear()


@pytest.fixture
def sources() -> Path:
    """The folder of the kernels' source."""
    return library.HERE
