"""The kernel's library, built and loaded: its FFI targets, what this machine can run of it."""

import ctypes
import functools
import os
import platform
from collections.abc import Callable
from pathlib import Path

import jax

from asrnn.errors import check_choice
from asrnn.recurrence.native import cpp
from asrnn.recurrence.native.compilation import Unavailable
from asrnn.recurrence.native.cpp import Unit
from asrnn.recurrence.precision import rounding

SOURCES = Path(__file__).parent
FORWARD = "asrnn_cpu_forward"
BACKWARD = "asrnn_cpu_backward"
# The kernels in float32, best first, and those that round the operands of products, in a library of
# their own that is built when one is asked for; the position is a kernel's number.
INSTRUCTION_SETS = ("avx512", "avx2", "portable")
ROUNDED = ("bfloat16", "bfloat16_3x")
KERNELS = (*INSTRUCTION_SETS, *ROUNDED)
AVX512 = ("-DASRNN_LANES=16", "-mavx512f", "-mfma")
TILES = ("-mavx512bf16", "-mamx-tile", "-mamx-bf16")  # of GCC 11, clang 12 and later
SUFFIX = "_rounded"
UNIT_OBSTACLES = {
    1: "the processor has no unit for them (AMX, as Intel's Xeons have since 2023)",
    2: "the system does not let this process use AMX, as Linux before 5.16 and some containers",
}
"""By what `asrnn_cpu_tile_unit` returns."""


def units() -> tuple[Unit, ...]:
    """What has to be compiled for this machine's architecture."""
    kernels = [Unit("portable", "kernel.cc", ("-DASRNN_ISA=portable", "-DASRNN_LANES=4"))]
    if platform.machine() in ("x86_64", "AMD64"):
        avx2 = ("-DASRNN_ISA=avx2", "-DASRNN_LANES=8", "-mavx2", "-mfma")
        avx512 = ("-DASRNN_ISA=avx512", *AVX512)
        kernels += [Unit("avx512", "kernel.cc", avx512), Unit("avx2", "kernel.cc", avx2)]
    return (*kernels, Unit("handler", "handler.cc", ()))


def rounded_units() -> tuple[Unit, ...]:
    """The same for the kernels that round."""
    kernels = [
        Unit(
            name,
            "kernel.cc",
            (f"-DASRNN_ISA={name}", f"-DASRNN_BFLOAT16={parts}", *AVX512, *TILES),
        )
        for parts, name in enumerate(ROUNDED, start=1)
    ]
    return (*kernels, Unit("handler", "handler.cc", ("-DASRNN_ROUNDED",)))


def library_path() -> Path:
    """The path of the compiled kernel, building it if it is not in the cache.

    Raises:
      Unavailable: if it cannot be built.
    """
    return cpp.shared_library(SOURCES, units())


def rounded_path() -> Path:
    """The same for the kernels that round: for a cache that other machines share."""
    return cpp.shared_library(SOURCES, rounded_units(), "the native kernel in bfloat16")


def target(name: str, kernel: int) -> str:
    """What jax knows FORWARD or BACKWARD of a kernel by."""
    return f"{name}{SUFFIX}" if KERNELS[kernel] in ROUNDED else name


@functools.cache
def _load() -> ctypes.CDLL | str:
    """The library with its targets registered, or the reason why there is none."""
    return _loaded(library_path, "")


@functools.cache
def _load_rounded() -> ctypes.CDLL | str:
    """The same for the kernels that round."""
    known = _load()
    if isinstance(known, str):
        return known
    return UNIT_OBSTACLES.get(known.asrnn_cpu_tile_unit()) or _loaded(rounded_path, SUFFIX)


def _loaded(path: Callable[[], Path], suffix: str) -> ctypes.CDLL | str:
    try:
        loaded = ctypes.CDLL(str(path()))
    except Unavailable as reason:
        return str(reason)
    except OSError as error:
        return f"cannot load the compiled kernel: {error}"
    for name in (FORWARD, BACKWARD):
        capsule = jax.ffi.pycapsule(getattr(loaded, name))
        jax.ffi.register_ffi_target(f"{name}{suffix}", capsule, platform="cpu")
    loaded.asrnn_cpu_supports.argtypes = [ctypes.c_int64]
    pointer = ctypes.POINTER(ctypes.c_float)
    loaded.asrnn_cpu_activations.argtypes = [
        ctypes.c_int64,
        pointer,
        pointer,
        pointer,
        ctypes.c_int64,
    ]
    return loaded


def reason_unavailable() -> str | None:
    """None if the kernel is compiled and loaded, else why not, in one line."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else None


def obstacle_to_rounding() -> str | None:
    """None if the kernels that round are compiled and loaded, else why not, in one line."""
    if os.environ.get("ASRNN_NATIVE_ISA"):
        return "ASRNN_NATIVE_ISA names a kernel in float32"
    loaded = _load_rounded()
    return loaded if isinstance(loaded, str) else None


def loaded_library() -> ctypes.CDLL:
    """The library; RuntimeError with the reason if there is none."""
    loaded = _load()
    if isinstance(loaded, str):
        raise RuntimeError(f"the native CPU kernel is not available: {loaded}")
    return loaded


@functools.cache
def usable_instruction_sets() -> tuple[str, ...]:
    """The instruction sets this machine can run, best first."""
    supports = loaded_library().asrnn_cpu_supports
    return tuple(name for i, name in enumerate(INSTRUCTION_SETS) if supports(i))


def kernel_number() -> int:
    """The number of the kernel to use: one that rounds if jax is set so and there is one.

    Else it is the best in float32, or $ASRNN_NATIVE_ISA, which names another of those.
    """
    wanted = rounding()
    if wanted is not None and obstacle_to_rounding() is None:
        return KERNELS.index(wanted)
    usable = usable_instruction_sets()
    chosen = os.environ.get("ASRNN_NATIVE_ISA") or usable[0]
    check_choice("ASRNN_NATIVE_ISA on this machine", chosen, usable)
    return KERNELS.index(chosen)
