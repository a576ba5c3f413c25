"""What holds for all tests: no silent broadcasting, full precision, one key."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache as cache

from asrnn.recurrence.native import compilation, cpu
from asrnn.recurrence.native.cuda.library import Target
from tests.recurrence.native.cuda import simulator
from tests.recurrence.native.cuda.target import in_place_of_the_gpu, simulated

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

# Tests compile much and compute little. One choice for all of them, as small operations that one
# test compiled are reused by the next, and would be rounded otherwise than in a command's process.
jax.config.update("jax_disable_most_optimizations", True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # for the commands
# Small programs in one piece: cut into 32 for as many threads they take a tenth longer to compile;
# and by the former of XLA's two emitters of fused loops, which takes half as long.
COMPILE_FAST = "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{COMPILE_FAST} {os.environ.get('XLA_FLAGS', '')}".strip()

CACHE_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what runs on the simulated GPU as slow; a test of either kind marks its parameter."""
    for item in items:
        if isinstance(item, pytest.Function) and "simulated_gpu" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20190501)


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision, for what follows from the theory."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What one test compiled, the next need not; commands are handed it by `environment`."""
    folder = tmp_path_factory.mktemp("compilations")
    settings = {"jax_compilation_cache_dir": str(folder)} | CACHE_SETTINGS
    before = {name: getattr(jax.config, name) for name in settings}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))
        cache.reset_cache()
        yield folder
    for name, value in before.items():
        jax.config.update(name, value)
    cache.reset_cache()


@pytest.fixture(scope="session")
def kernel_cache() -> str:
    """The cache folder of compiled kernels, this user's: each is built once, whoever needs it."""
    cpu.available()
    return str(compilation.cache_dir().parent)


@pytest.fixture(scope="session")
def simulated_gpu(kernel_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A simulated GPU, or a skip that says why there is none."""
    if simulator.compiler() is None:
        pytest.skip("no C++ compiler")
    return simulated(tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def cuda_kernels(simulated_gpu: Target) -> Iterator[None]:
    """`native` means the CUDA kernels, on a simulated GPU."""
    with in_place_of_the_gpu(simulated_gpu):
        yield
