"""The CPU kernel's library: one object file for each instruction set, and the handlers."""

import platform
from pathlib import Path

from asrnn.recurrence.native import cpp
from asrnn.recurrence.native.cpp import Unit

SOURCES = Path(__file__).parent


def units() -> tuple[Unit, ...]:
    """What has to be compiled for this machine's architecture."""
    kernels = [Unit("portable", "kernel.cc", ("-DASRNN_ISA=portable", "-DASRNN_LANES=4"))]
    if platform.machine() in ("x86_64", "AMD64"):
        avx2 = ("-DASRNN_ISA=avx2", "-DASRNN_LANES=8", "-mavx2", "-mfma")
        avx512 = ("-DASRNN_ISA=avx512", "-DASRNN_LANES=16", "-mavx512f", "-mfma")
        kernels += [Unit("avx512", "kernel.cc", avx512), Unit("avx2", "kernel.cc", avx2)]
    return (*kernels, Unit("handler", "handler.cc", ()))


def library() -> Path:
    """The path of the compiled kernel, building it if it is not in the cache.

    Raises:
      Unavailable: if it cannot be built.
    """
    return cpp.shared_library(SOURCES, units())
