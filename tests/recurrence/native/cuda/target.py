"""The CPU in the place of a GPU: XLA's calls, handlers and kernels are the real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asrnn.recurrence import native
from asrnn.recurrence.native import cpp, cuda
from asrnn.recurrence.native.cuda import compiler, library
from asrnn.recurrence.native.cuda.library import Target
from asrnn.recurrence.native.cuda.variant import Variant
from tests.recurrence.native.cuda import simulator

HANDLER = cpp.Unit("cuda_handler", "handler.cc", ("-DASRNN_SIMULATED",))


def simulated(folder: Path) -> Target:
    """A target on the simulator; what is built for it goes into a folder."""

    def image(variant: Variant) -> bytes:
        built = simulator.build(library.HERE, compiler.KERNELS, variant.macros(), folder)
        return str(built).encode() + b"\0"

    return Target("cpu", HANDLER, str(simulator.driver(folder)), 0, image)


@contextmanager
def in_place_of_the_gpu(target: Target) -> Iterator[None]:
    """The CUDA kernels run on a target, and are what `native` means."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "gpu", lambda: target)
        patch.setattr(native, "available", cuda.available)
        patch.setattr(native, "unroll", cuda.unroll)
        library.image_number.cache_clear()
        yield
    library.image_number.cache_clear()
