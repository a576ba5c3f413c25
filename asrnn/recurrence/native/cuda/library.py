"""The loaded handlers, and the kernels that they can launch."""

import ctypes
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax

from asrnn.recurrence.native import cpp
from asrnn.recurrence.native.compilation import Unavailable
from asrnn.recurrence.native.cuda import compiler
from asrnn.recurrence.native.cuda.variant import Variant

FORWARD = "asrnn_cuda_forward"
BACKWARD = "asrnn_cuda_backward"
HERE = Path(__file__).parent
HANDLER = cpp.Unit("cuda_handler", "handler.cc", ())
DRIVER = "libcuda.so.1"
OLDEST = (8, 0)  # the first compute capability with asynchronous copies to shared memory


class Target(NamedTuple):
    """Where kernels run.

    Attributes:
      platform: jax's name of it.
      handler: how the handlers are compiled.
      driver: the driver's library.
      device: the number by which the driver knows it.
      image: makes a variant's image.
    """

    platform: str
    handler: cpp.Unit
    driver: str
    device: int
    image: Callable[[Variant], bytes]


def gpu() -> Target:
    """The GPUs of this process, which have to be alike.

    Raises:
      Unavailable: if they are not NVIDIA's, too old, or not alike.
    """
    device = jax.local_devices()[0]
    if "cuda" not in device.client.platform_version.lower():
        raise Unavailable(f"there is none for {device.device_kind}")
    capabilities = {str(one.compute_capability) for one in jax.local_devices()}
    if len(capabilities) > 1:
        found = " and ".join(sorted(capabilities))
        raise Unavailable(
            f"the GPUs differ, compute capabilities {found}; CUDA_VISIBLE_DEVICES chooses"
        )
    (capability,) = capabilities
    major, minor = (int(part) for part in capability.split("."))
    if (major, minor) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Unavailable(f"it needs compute capability {oldest}, found {capability}")
    architecture = f"sm_{major}{minor}"

    def image(variant: Variant) -> bytes:
        return compiler.image(variant, architecture)

    return Target("CUDA", HANDLER, DRIVER, device.local_hardware_id or 0, image)


@functools.cache
def _handlers(platform: str, unit: cpp.Unit, driver: str) -> ctypes.CDLL:
    """The handlers' library, with its targets registered and the driver open."""
    loaded = load(cpp.shared_library(HERE, (unit,)))
    if reason := loaded.asrnn_cuda_open(driver.encode()):
        raise Unavailable(f"the driver of CUDA cannot be used: {reason.decode()}")
    for target in (FORWARD, BACKWARD):
        capsule = jax.ffi.pycapsule(getattr(loaded, target))
        jax.ffi.register_ffi_target(target, capsule, platform=platform)
    return loaded


def load(path: Path) -> ctypes.CDLL:
    """A compiled library of handlers, with the types of its functions.

    Raises:
      Unavailable: if it cannot be loaded.
    """
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"cannot load the compiled kernel: {error}") from error
    loaded.asrnn_cuda_open.argtypes = [ctypes.c_char_p]
    loaded.asrnn_cuda_open.restype = ctypes.c_char_p
    loaded.asrnn_cuda_add_image.argtypes = [
        ctypes.c_int64,
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.c_int,
    ]
    loaded.asrnn_cuda_add_image.restype = ctypes.c_char_p
    return loaded


@functools.cache
def image_number(variant: Variant) -> int:
    """Compiles a variant, if that was not done before, and makes it known to the handlers.

    Returns:
      The number by which a call names it: a hash, so that it is the same in every process.

    Raises:
      Unavailable: if this machine cannot run it.
    """
    target = gpu()
    handlers = _handlers(target.platform, target.handler, target.driver)
    image = target.image(variant)
    number = int.from_bytes(hashlib.sha256(image).digest()[:8], "little", signed=True)
    if reason := handlers.asrnn_cuda_add_image(number, image, len(image), target.device):
        raise Unavailable(reason.decode())
    return number
