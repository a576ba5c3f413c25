"""What is needed to run the kernels, and what is said where something is missing."""

import shutil
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from asrnn.recurrence.native import cpp, cuda
from asrnn.recurrence.native.compilation import Unavailable
from asrnn.recurrence.native.cuda import compiler, library
from asrnn.recurrence.native.cuda.library import Target
from asrnn.recurrence.native.cuda.variant import Variant, make_variant
from tests.recurrence.native.reference import Sizes, as_jax, random_arguments

ARGUMENTS = as_jax(random_arguments(Sizes(3, 4, 5, 2, False)))


def devices(*capabilities: str, version: str = "cuda 13000") -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            client=SimpleNamespace(platform_version=version),
            device_kind="a device",
            local_hardware_id=number,
            compute_capability=capability,
        )
        for number, capability in enumerate(capabilities)
    ]


def test_the_architecture_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "local_devices", lambda: devices("12.0", "12.0"))
    asked: list[tuple[Variant, str]] = []
    monkeypatch.setattr(compiler, "image", lambda *given: asked.append(given))
    target = library.gpu()
    assert (target.platform, target.driver) == ("CUDA", "libcuda.so.1")
    target.image(make_variant(5, 2, False))
    assert asked == [(make_variant(5, 2, False), "sm_120")]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (devices("gfx942", version="rocm 6.2"), "there is none for a device"),
        (devices("7.5"), "it needs compute capability 8.0, found 7.5"),
        (
            devices("9.0", "8.0"),
            "the GPUs differ, compute capabilities 8.0 and 9.0; CUDA_VISIBLE_DEVICES chooses",
        ),
    ],
)
def test_other_devices_are_a_reason(
    found: list[SimpleNamespace], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "local_devices", lambda: found)
    library.image_number.cache_clear()
    assert cuda.available(5, 2, False) == reason


def test_a_missing_driver_is_a_reason(
    simulated_gpu: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = simulated_gpu._replace(driver="libnone.so.1", handler=library.HANDLER, platform="CUDA")
    monkeypatch.setattr(library, "gpu", lambda: target)
    library.image_number.cache_clear()
    reason = cuda.available(5, 2, False)
    assert reason is not None
    assert reason.startswith("the driver of CUDA cannot be used: libnone.so.1: cannot open")
    assert "\n" not in reason
    with pytest.raises(RuntimeError, match="the native CUDA kernel is not available: the driver"):
        cuda.unroll(*ARGUMENTS, return_states=False)


def test_a_compiler_that_fails_is_a_reason(
    simulated_gpu: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def image(variant: Variant) -> bytes:
        raise Unavailable("NVRTC failed: too old")

    monkeypatch.setattr(library, "gpu", lambda: simulated_gpu._replace(image=image))
    library.image_number.cache_clear()
    assert cuda.available(5, 2, False) == "NVRTC failed: too old"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("cuInit:100", "cannot start the driver: CUDA_ERROR_NO_DEVICE"),
        ("cuDeviceGet:101", "cannot find the GPU: CUDA_ERROR_INVALID_DEVICE"),
        ("cuDevicePrimaryCtxRetain:2", "cannot use the GPU: CUDA_ERROR_OUT_OF_MEMORY"),
        ("cuCtxPushCurrent_v2:201", "cannot load the compiled kernels: CUDA_ERROR_INVALID_CONTEXT"),
        ("cuModuleLoadData:209", "cannot load the compiled kernels: CUDA_ERROR_NO_BINARY_FOR_GPU"),
    ],
)
def test_an_image_that_the_gpu_does_not_take_is_a_reason(
    failure: str, reason: str, cuda_kernels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASRNN_SIMULATOR_FAIL", failure)
    assert cuda.available(9, 2, False) == reason
    monkeypatch.delenv("ASRNN_SIMULATOR_FAIL")
    assert cuda.available(9, 2, False) is None


def test_arrays_that_a_kernel_could_not_count_are_refused(cuda_kernels: None) -> None:
    inputs = jax.ShapeDtypeStruct((2**15, 2**14, 2), jnp.float32)
    run = partial(cuda.unroll, return_states=False)
    with pytest.raises(ValueError, match=r"at most 2147483647 for the CUDA kernels, found"):
        jax.eval_shape(lambda x: run(*ARGUMENTS[:6], x, jnp.zeros((2**14, 5))), inputs)


def test_larger_networks_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "image_number", lambda variant: pytest.fail("compiled"))
    assert cuda.available(257, 1, False) == "the CUDA kernels take at most 256 units, found 257"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("cuModuleGetFunction:500", "cannot find a kernel: CUDA_ERROR_NOT_FOUND"),
        ("cuFuncSetAttribute:1", "cannot reserve shared memory: CUDA_ERROR_INVALID_VALUE"),
        ("cuLaunchKernel:719", "cannot launch a kernel: CUDA_ERROR_LAUNCH_FAILED"),
        ("cuCtxGetCurrent:3", "cannot find the context of CUDA: CUDA_ERROR_NOT_INITIALIZED"),
    ],
)
def test_errors_of_the_driver_are_named(
    failure: str, said: str, cuda_kernels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"cuModuleGetFunction:500": 7, "cuFuncSetAttribute:1": 8}
    # A kernel that was loaded once is not loaded again.
    arguments = as_jax(random_arguments(Sizes(3, 4, sizes.get(failure, 5), 2, False)))
    monkeypatch.setenv("ASRNN_SIMULATOR_FAIL", failure)
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"asrnn native CUDA kernel: {said}"):
        jax.block_until_ready(cuda.unroll(*arguments, return_states=False))
    monkeypatch.delenv("ASRNN_SIMULATOR_FAIL")
    jax.block_until_ready(cuda.unroll(*arguments, return_states=False))


@pytest.mark.usefixtures("cuda_kernels")
class TestArguments:
    """Mistakes are named before anything runs."""

    def test_shapes(self) -> None:
        wrong = (*ARGUMENTS[:2], jnp.zeros(6), *ARGUMENTS[3:])
        with pytest.raises(ValueError, match=r"bias has shape \(6,\), expected \(5,\)"):
            cuda.unroll(*wrong, return_states=False)

    def test_dtypes(self) -> None:
        wrong = (*ARGUMENTS[:6], ARGUMENTS[6].astype(jnp.bfloat16), ARGUMENTS[7])
        with pytest.raises(TypeError, match="inputs is bfloat16, expected float32"):
            cuda.unroll(*wrong, return_states=False)


def test_the_calls_are_lowered_for_cuda_without_a_gpu(
    kernel_cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    handlers = library.load(cpp.shared_library(library.HERE, (library.HANDLER,)))
    for name in (library.FORWARD, library.BACKWARD):
        capsule = jax.ffi.pycapsule(getattr(handlers, name))
        jax.ffi.register_ffi_target(name, capsule, platform="CUDA")
    monkeypatch.setattr(library, "image_number", lambda variant: 1)

    def loss(*arguments: jax.Array) -> jax.Array:
        return cuda.unroll(*arguments, return_states=False)[0].sum()

    traced = jax.jit(jax.grad(loss)).trace(*ARGUMENTS)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("custom_call @asrnn_cuda_forward") == 1
    assert text.count("custom_call @asrnn_cuda_backward") == 1
