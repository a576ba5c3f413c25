"""The simulated GPU: right kernels give right values, and wrong ones cannot seem right."""

import ctypes
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.recurrence.native.cuda import simulator
from tests.recurrence.native.cuda.simulator import SimulationError

SAMPLES = Path(__file__).parent / "samples"
UNWRITTEN = 0x7FA00000  # a signalling NaN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the simulator needs Linux"),
    pytest.mark.skipif(simulator.compiler() is None, reason="no g++"),
]


class Arguments(ctypes.Structure):
    _fields_ = (("given", ctypes.c_void_p), ("out", ctypes.c_void_p), ("n", ctypes.c_int))


MODES: Mapping[str, Mapping[str, int]] = {
    "fibers": {},
    "ucontext": {"ASRNN_SIMULATOR_UCONTEXT": 1},
    "threads": {"ASRNN_SIMULATOR_THREADS": 1},
}


@pytest.fixture(scope="module", params=MODES)
def any_mode(request: pytest.FixtureRequest, folder: Path) -> Path:
    """The sample kernels on each kind of simulated thread."""
    return simulator.build(SAMPLES, "kernels.cu", MODES[request.param], folder)


@pytest.fixture(scope="module")
def fibers(folder: Path) -> Path:
    return simulator.build(SAMPLES, "kernels.cu", {}, folder)


@pytest.fixture(params=[0, 1, 7])
def seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Forwards, backwards, shuffled."""
    monkeypatch.setenv("ASRNN_SIMULATOR_SEED", str(request.param))
    chosen: int = request.param
    return chosen


def run(
    library: Path,
    name: str,
    *,
    given: np.ndarray | None = None,
    outputs: int = 64,
    n: int = 0,
    grid: int = 1,
    block: int = 32,
    shared_bytes: int = 1024,
) -> np.ndarray:
    """The output of a launch of a sample kernel."""
    values = ramp(512) if given is None else given.astype(np.float32)
    out = np.zeros(outputs, np.float32)
    arguments = Arguments(values.ctypes.data, out.ctypes.data, n)
    simulator.launch(library, name, arguments, grid, block, shared_bytes)
    return out


def ramp(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.float32)


def test_threads_meet_in_barriers_and_exchanges(any_mode: Path, seed: int) -> None:
    sums = run(any_mode, "block_sum", outputs=2, grid=2, block=256)
    np.testing.assert_array_equal(sums, ramp(512).reshape(2, 256).sum(1))


def test_a_missing_barrier_shows_in_one_order(
    fibers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handed_down(seed: int, barrier: int) -> np.ndarray:
        monkeypatch.setenv("ASRNN_SIMULATOR_SEED", str(seed))
        return run(fibers, "hand_down", n=barrier, block=64, outputs=32)

    for seed in range(4):
        np.testing.assert_array_equal(handed_down(seed, barrier=1), ramp(32))
    np.testing.assert_array_equal(handed_down(0, barrier=0), ramp(32))
    assert np.isnan(handed_down(1, barrier=0)).all()


def test_blocks_run_in_either_order(fibers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = run(fibers, "order_of_blocks", outputs=4, grid=3)
    np.testing.assert_array_equal(order, [3, 0, 1, 2])
    monkeypatch.setenv("ASRNN_SIMULATOR_SEED", "1")
    order = run(fibers, "order_of_blocks", outputs=4, grid=3)
    np.testing.assert_array_equal(order, [3, 2, 1, 0])


def test_prefetches_land_when_awaited(any_mode: Path, seed: int) -> None:
    weights = np.arange(2, 12, dtype=np.float32)
    expected = weights @ ramp(320).reshape(10, 32)
    np.testing.assert_array_equal(run(any_mode, "ring", n=10, outputs=32), expected)


@pytest.mark.parametrize("name", ["ring_awaited_too_little", "ring_of_too_few_slots"])
def test_a_slot_under_way_has_no_value(any_mode: Path, name: str, seed: int) -> None:
    assert np.isnan(run(any_mode, name, n=10, outputs=32)).all()


def test_a_slot_refilled_too_early_shows_in_one_order(
    fibers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert np.isnan(run(fibers, "refilled_too_early", block=64, outputs=32)).all()
    monkeypatch.setenv("ASRNN_SIMULATOR_SEED", "1")
    out = run(fibers, "refilled_too_early", block=64, outputs=32)
    np.testing.assert_array_equal(out, ramp(32))


def test_a_prefetch_is_awaited_by_its_own_thread(any_mode: Path, seed: int) -> None:
    out = run(any_mode, "awaited_by_another", block=64)
    np.testing.assert_array_equal(out[:32], ramp(32))
    assert np.isnan(out[32:]).all()


def test_a_prefetch_that_is_in_no_group_is_not_awaited(any_mode: Path) -> None:
    assert np.isnan(run(any_mode, "not_committed", outputs=32)).all()


def test_what_is_under_way_when_a_block_ends_never_lands(any_mode: Path) -> None:
    run(any_mode, "awaited_by_another", block=64)
    assert np.isnan(run(any_mode, "await_only", block=64)).all()


def test_nothing_is_left_in_shared_memory(any_mode: Path) -> None:
    run(any_mode, "hand_down", n=1, block=64)
    bits = run(any_mode, "copy_shared", n=32, outputs=32).view(np.uint32)
    np.testing.assert_array_equal(bits, np.full(32, UNWRITTEN, np.uint32))


@pytest.mark.parametrize(
    ("name", "n", "block", "message"),
    [
        ("some_leave", 40, 64, r"thread 0 is at its end.*thread 40 is at the barrier of kernels"),
        ("two_barriers", 40, 64, r"thread 0 is at the barrier.*thread 40 is at the barrier"),
        ("half_a_warp", 48, 64, r"thread 32 is at the exchange.*thread 48 is at the barrier"),
        ("half_a_warp", 48, 48, r"exchange at kernels.cu:\d+ in a warp of 16 threads"),
        ("two_exchanges", 16, 32, r"thread \d+ is at the exchange.*thread \d+ is at the exchange"),
    ],
)
def test_threads_that_miss_one_another_end_the_launch(
    any_mode: Path, name: str, n: int, block: int, message: str, seed: int
) -> None:
    with pytest.raises(SimulationError, match=f"block 0: {message}"):
        run(any_mode, name, n=n, block=block)
    assert run(any_mode, "block_sum", block=256)[0] == ramp(256).sum()  # the next one runs


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("load_quad_at", 2, "load_quad at byte 8 of shared memory, not a multiple of 16"),
        ("store_quad_at", 1, "store_quad at byte 4 of shared memory, not a multiple of 16"),
        ("load_quad_at", 256, "load_quad at byte 1024 of 1024 bytes"),
        ("store_quad_at", -4, "store_quad at byte -16 of 1024 bytes"),
        ("prefetch_at", 256, "prefetch_if at byte 1024 of 1024 bytes"),
    ],
)
def test_words_refuse_addresses_that_hardware_would(
    any_mode: Path, name: str, n: int, message: str
) -> None:
    with pytest.raises(SimulationError, match=message):
        run(any_mode, name, n=n)


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("read_at", 256, "access at byte 1024 of 1024 bytes"),
        ("write_at", 256, "access at byte 1024 of 1024 bytes"),
        ("write_at", -1, "wrote outside of the 1024 bytes"),
        ("write_at", -128 * 1024, "access at byte -524288 of 1024 bytes"),
    ],
)
def test_plain_accesses_outside_shared_memory_end_the_launch(
    fibers: Path, name: str, n: int, message: str
) -> None:
    with pytest.raises(SimulationError, match=message):
        run(fibers, name, n=n)
    assert run(fibers, "block_sum", block=256)[0] == ramp(256).sum()


@pytest.mark.parametrize(
    "sizes",
    [{"block": 0}, {"grid": 0}, {"block": 33}, {"shared_bytes": 227 * 1024 + 1}],
    ids=str,
)
def test_a_launch_that_hardware_refuses_is_refused(any_mode: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(SimulationError, match="at most"):
        run(any_mode, "read_at", **sizes)


def approximated(library: Path, name: str, values: np.ndarray) -> np.ndarray:
    return run(library, name, given=values, outputs=values.size, n=values.size)


@pytest.mark.parametrize("name", ["exp2_of", "reciprocal_of"])
def test_approximations_are_as_far_off_as_documented(fibers: Path, name: str) -> None:
    values = np.random.default_rng(1).uniform(-20, 20, 4000).astype(np.float32)
    found = approximated(fibers, name, values).astype(np.float64)
    exact = np.exp2(values.astype(np.float64)) if name == "exp2_of" else 1 / np.float64(values)
    bound = exact * 2**-22 if name == "exp2_of" else np.spacing(np.float32(exact))
    relative = (found - exact) / np.abs(np.float64(bound))
    assert np.abs(relative).max() <= 1.0
    assert np.median(np.abs(relative)) > 0.4
    assert 0.4 < np.mean(relative > 0) < 0.6


def test_approximations_at_the_ends_of_the_range(fibers: Path) -> None:
    subnormal = 1e-39
    values = np.array([0.0, -0.0, subnormal, -subnormal, np.inf, -np.inf, np.nan, -127.0, 200.0])
    np.testing.assert_array_equal(
        approximated(fibers, "exp2_of", values), [1, 1, 1, 1, np.inf, 0, np.nan, 0, np.inf]
    )
    values = np.array([0.0, -0.0, subnormal, -subnormal, np.inf, -np.inf, np.nan, 2.0**127])
    inverse = approximated(fibers, "reciprocal_of", values)
    np.testing.assert_array_equal(
        inverse, [np.inf, -np.inf, np.inf, -np.inf, 0.0, -0.0, np.nan, 0.0]
    )
    assert np.signbit(inverse[5])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets a register of x86-64")
def test_subnormal_numbers_survive_a_caller_that_flushes_them(any_mode: Path) -> None:
    flush_to_zero = ctypes.CDLL(str(any_mode)).flush_to_zero
    values = np.array([3e-39, 1.0], np.float32)
    out = np.zeros(2, np.float32)
    arguments = Arguments(values.ctypes.data, out.ctypes.data, 2)
    flush_to_zero(1)
    try:
        simulator.launch(any_mode, "half_of", arguments, 1, 32, 0)
    finally:
        flush_to_zero(0)
    np.testing.assert_array_equal(out, np.array([1.5e-39, 0.5], np.float32))


def test_the_simulators_device_replaces_the_one_beside_the_kernel(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "device.cuh").write_text("#error of the package\n")
    (tmp_path / "kernel.cu").write_text(
        '#include "device.cuh"\n'
        "struct Arguments { const float* in; float* out; int n; };\n"
        "ASRNN_KERNEL(copy, 32, Arguments) { p.out[asrnn::thread_index()] = p.in[0]; }\n"
    )
    library = simulator.build(tmp_path, "kernel.cu", {}, folder)
    assert (run(library, "copy", outputs=32) == 1.0).all()


def test_a_library_is_built_once_for_its_content(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = simulator.build(SAMPLES, "kernels.cu", {}, folder)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("built again"))
    assert simulator.build(SAMPLES, "kernels.cu", {}, folder) == first
    with pytest.raises(pytest.fail.Exception):
        simulator.build(SAMPLES, "kernels.cu", {"SIZE": 2}, folder)


def test_says_what_the_compiler_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "kernel.cu").write_text("#error of the kernel\n")
    with pytest.raises(RuntimeError, match="error of the kernel"):
        simulator.build(tmp_path, "kernel.cu", {}, folder)


def test_the_kernels_files_may_not_have_names_of_the_simulators(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "memory.h").write_text("")
    with pytest.raises(ValueError, match=r"memory\.h"):
        simulator.build(tmp_path, "kernel.cu", {}, folder)


Sanitized = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=["thread", "address"])
def sanitizer(request: pytest.FixtureRequest, folder: Path) -> str:
    name: str = request.param
    if reason := simulator.lacks_sanitizer(name, folder):
        pytest.skip(reason)
    return name


@pytest.fixture
def sanitized(sanitizer: str, folder: Path) -> Sanitized:
    """Launches a sample kernel in a program built with a sanitizer."""
    flags = (f"-fsanitize={sanitizer}",)
    program = simulator.program(
        SAMPLES, SAMPLES / "main.cc", {"ASRNN_SIMULATOR_THREADS": 1}, folder, flags
    )

    def launch(kernel: str, n: int = 0, block: int = 32) -> subprocess.CompletedProcess[str]:
        command = [str(program), kernel, "1", str(block), str(n)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return launch


def test_sanitizers_find_nothing_in_right_kernels(sanitized: Sanitized) -> None:
    for kernel, n, block in (("block_sum", 0, 256), ("hand_down", 1, 64), ("ring", 10, 32)):
        done = sanitized(kernel, n, block)
        assert (done.returncode, done.stderr) == (0, "")


def test_sanitized_threads_that_miss_one_another_end_the_launch(sanitized: Sanitized) -> None:
    launches = (("some_leave", 40, 64), ("half_a_warp", 48, 64), ("two_exchanges", 16, 32))
    for kernel, n, block in launches:
        done = sanitized(kernel, n, block)
        assert done.returncode == 1
        assert done.stderr.startswith(f"asrnn simulator: {kernel}: block 0: thread")
        assert "Sanitizer" not in done.stderr


@pytest.mark.parametrize("sanitizer", ["thread"], indirect=True)
@pytest.mark.parametrize(("kernel", "block"), [("hand_down", 64), ("hand_over", 32)])
def test_the_thread_sanitizer_reports_what_no_barrier_orders(
    sanitized: Sanitized, kernel: str, block: int
) -> None:
    done = sanitized(kernel, 0, block)
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
    assert done.returncode == 66


@pytest.mark.parametrize("sanitizer", ["address"], indirect=True)
@pytest.mark.parametrize(("kernel", "n"), [("write_at", 256), ("write_at", -1)])
def test_the_address_sanitizer_watches_shared_memory(
    sanitized: Sanitized, kernel: str, n: int
) -> None:
    assert "AddressSanitizer: heap-buffer-overflow" in sanitized(kernel, n).stderr


@pytest.mark.parametrize("sanitizer", ["address"], indirect=True)
def test_the_address_sanitizer_watches_global_memory(sanitized: Sanitized) -> None:
    assert sanitized("write_global_at", 63).returncode == 0
    assert "AddressSanitizer: heap-buffer-overflow" in sanitized("write_global_at", 64).stderr
