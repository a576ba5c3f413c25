"""The driver of the simulated GPU answers as the real one does."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.recurrence.native.cuda import simulator
from tests.recurrence.native.cuda.simulator.test_simulator import SAMPLES, Arguments, ramp

DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
RELAXED = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the simulator needs Linux"),
    pytest.mark.skipif(simulator.compiler() is None, reason="no g++"),
]


@pytest.fixture(scope="module")
def cuda(folder: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(simulator.driver(folder)))


@pytest.fixture(scope="module")
def image(folder: Path) -> bytes:
    return str(simulator.build(SAMPLES, "kernels.cu", {}, folder)).encode()


@pytest.fixture
def relaxed(cuda: ctypes.CDLL) -> None:
    cuda.cuThreadExchangeStreamCaptureMode(ctypes.byref(ctypes.c_int(RELAXED)))


@pytest.fixture
def module(cuda: ctypes.CDLL, image: bytes, relaxed: None) -> ctypes.c_void_p:
    loaded = ctypes.c_void_p()
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 0
    return loaded


def function_of(cuda: ctypes.CDLL, module: ctypes.c_void_p, name: bytes) -> ctypes.c_void_p:
    function = ctypes.c_void_p()
    assert cuda.cuModuleGetFunction(ctypes.byref(function), module, name) == 0
    return function


def launch(
    cuda: ctypes.CDLL,
    function: ctypes.c_void_p,
    arguments: Arguments,
    *,
    block: int = 32,
    shared_bytes: int = 1024,
) -> int:
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
    sizes = (1, 1, 1, block, 1, 1, shared_bytes)
    code: int = cuda.cuLaunchKernel(function, *sizes, None, parameters, None)
    return code


def test_loads_and_launches(cuda: ctypes.CDLL, module: ctypes.c_void_p) -> None:
    values, out = ramp(256), np.zeros(1, np.float32)
    arguments = Arguments(values.ctypes.data, out.ctypes.data, 0)
    function = function_of(cuda, module, b"block_sum")
    assert launch(cuda, function, arguments, block=256) == 0
    assert out[0] == values.sum()


def test_much_shared_memory_must_be_asked_for(cuda: ctypes.CDLL, module: ctypes.c_void_p) -> None:
    function = function_of(cuda, module, b"copy_shared")
    arguments = Arguments(None, None, 0)
    assert launch(cuda, function, arguments, shared_bytes=48 * 1024) == 0
    assert launch(cuda, function, arguments, shared_bytes=48 * 1024 + 4) == 1
    assert cuda.cuFuncSetAttribute(function, DYNAMIC_SHARED, 227 * 1024 + 1) == 1
    assert cuda.cuFuncSetAttribute(function, DYNAMIC_SHARED, 227 * 1024) == 0
    assert launch(cuda, function, arguments, shared_bytes=227 * 1024) == 0
    other = function_of(cuda, module, b"block_sum")
    assert launch(cuda, other, arguments, shared_bytes=48 * 1024 + 4) == 1


def test_attributes_of_a_function(cuda: ctypes.CDLL, module: ctypes.c_void_p) -> None:
    function = function_of(cuda, module, b"copy_shared")
    found = ctypes.c_int(-1)
    for attribute, expected in ((0, 64), (1, 0), (3, 0), (DYNAMIC_SHARED, 48 * 1024)):
        assert cuda.cuFuncGetAttribute(ctypes.byref(found), attribute, function) == 0
        assert found.value == expected
    assert cuda.cuFuncGetAttribute(ctypes.byref(found), 99, function) == 1


def test_a_block_over_the_launch_bound_is_refused(
    cuda: ctypes.CDLL, module: ctypes.c_void_p
) -> None:
    function = function_of(cuda, module, b"block_sum")
    assert launch(cuda, function, Arguments(None, None, 0), block=288) == 1


def test_a_launch_given_up_is_a_launch_failure(
    cuda: ctypes.CDLL, module: ctypes.c_void_p, capfd: pytest.CaptureFixture[str]
) -> None:
    function = function_of(cuda, module, b"some_leave")
    assert launch(cuda, function, Arguments(None, None, 16)) == 719
    assert "asrnn simulator: some_leave: block 0: thread 0 is at its end" in capfd.readouterr().err


def test_what_does_not_exist_is_an_error(
    cuda: ctypes.CDLL, module: ctypes.c_void_p, relaxed: None, tmp_path: Path
) -> None:
    handle = ctypes.c_void_p()
    assert cuda.cuModuleLoadData(ctypes.byref(handle), str(tmp_path / "none").encode()) == 200
    assert cuda.cuModuleGetFunction(ctypes.byref(handle), module, b"none") == 500
    stranger = ctypes.c_void_p(ctypes.addressof(handle))
    assert cuda.cuModuleGetFunction(ctypes.byref(handle), stranger, b"block_sum") == 400
    assert cuda.cuFuncSetAttribute(stranger, DYNAMIC_SHARED, 0) == 400
    assert launch(cuda, stranger, Arguments(None, None, 0)) == 400


def test_loading_takes_the_relaxed_capture_mode(cuda: ctypes.CDLL, image: bytes) -> None:
    mode = ctypes.c_int(0)
    cuda.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode))
    loaded = ctypes.c_void_p()
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 900
    mode = ctypes.c_int(RELAXED)
    assert cuda.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode)) == 0
    assert mode.value == 0
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 0
    assert cuda.cuThreadExchangeStreamCaptureMode(ctypes.byref(ctypes.c_int(3))) == 1


def test_a_stream_is_of_the_current_context(cuda: ctypes.CDLL) -> None:
    current, of_stream = ctypes.c_void_p(), ctypes.c_void_p()
    assert cuda.cuInit(0) == 0
    assert cuda.cuCtxGetCurrent(ctypes.byref(current)) == 0
    assert cuda.cuStreamGetCtx(None, ctypes.byref(of_stream)) == 0
    assert current.value and current.value == of_stream.value


def test_the_environment_chooses_the_context(
    cuda: ctypes.CDLL, module: ctypes.c_void_p, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = function_of(cuda, module, b"copy_shared")
    first, second = ctypes.c_void_p(), ctypes.c_void_p()
    assert cuda.cuCtxGetCurrent(ctypes.byref(first)) == 0
    monkeypatch.setenv("ASRNN_SIMULATOR_CONTEXT", "1")
    assert cuda.cuCtxGetCurrent(ctypes.byref(second)) == 0
    assert second.value and second.value != first.value
    # A function of one context cannot be launched in another.
    assert launch(cuda, function, Arguments(None, None, 0)) == 400
    monkeypatch.delenv("ASRNN_SIMULATOR_CONTEXT")
    assert launch(cuda, function, Arguments(None, None, 0)) == 0


def test_a_pushed_context_is_current_until_it_is_popped(
    cuda: ctypes.CDLL, image: bytes, relaxed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, popped, loaded = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    monkeypatch.setenv("ASRNN_SIMULATOR_CONTEXT", "1")
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(primary), 0) == 0
    assert cuda.cuCtxPushCurrent_v2(primary) == 0
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 0
    function = function_of(cuda, loaded, b"copy_shared")
    assert launch(cuda, function, Arguments(None, None, 0)) == 0
    assert cuda.cuCtxPopCurrent_v2(ctypes.byref(popped)) == 0
    assert popped.value == primary.value
    assert launch(cuda, function, Arguments(None, None, 0)) == 400
    assert cuda.cuCtxPopCurrent_v2(None) == 201
    assert cuda.cuModuleUnload(loaded) == 0
    assert cuda.cuModuleUnload(loaded) == 400


def test_errors_have_names_and_texts(cuda: ctypes.CDLL) -> None:
    text = ctypes.c_char_p()
    assert cuda.cuGetErrorName(719, ctypes.byref(text)) == 0
    assert text.value == b"CUDA_ERROR_LAUNCH_FAILED"
    assert cuda.cuGetErrorString(719, ctypes.byref(text)) == 0
    assert text.value == b"unspecified launch failure"
    assert cuda.cuGetErrorName(12345, ctypes.byref(text)) == 1
    assert text.value is None


def test_the_environment_can_make_a_call_fail(
    cuda: ctypes.CDLL, image: bytes, relaxed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = ctypes.c_void_p()
    monkeypatch.setenv("ASRNN_SIMULATOR_FAIL", "cuModuleLoadData:2")
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 2
    assert cuda.cuInit(0) == 0
    monkeypatch.delenv("ASRNN_SIMULATOR_FAIL")
    assert cuda.cuModuleLoadData(ctypes.byref(loaded), image) == 0
