"""Sanitizers find nothing in the kernels: the counterpart of compute-sanitizer on a CPU.

Each simulated thread is one of the operating system, so the thread sanitizer reports two accesses
to shared memory that no barrier orders, whether or not a value came out wrong; arrays are ordinary
ones, so the address sanitizer reports accesses beyond them.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asrnn.recurrence.native.cuda.compiler import KERNELS, SOURCES
from asrnn.recurrence.native.cuda.variant import Variant
from tests.recurrence.native.cuda import simulator

MAIN = Path(__file__).parent / "races.cc"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the simulator needs Linux"),
    pytest.mark.skipif(simulator.compiler() is None, reason="no g++"),
]

VARIANTS = [
    pytest.param(Variant(units=33, inputs=2, gated=True), marks=pytest.mark.ci),
    Variant(units=33, inputs=0, gated=False),
    Variant(units=70, inputs=2, gated=False),
    Variant(units=70, inputs=0, gated=True),
    # A part of A is in shared memory.
    Variant(units=200, inputs=1, gated=True),
]


@pytest.fixture(scope="module", params=["thread", "address"])
def sanitizer(request: pytest.FixtureRequest, folder: Path) -> str:
    name: str = request.param
    if reason := simulator.lacks_sanitizer(name, folder):
        pytest.skip(reason)
    return name


def run(
    sources: Path, variant: Variant, sanitizer: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Both kernels of a variant under a sanitizer."""
    defines = {**variant.macros(), "ASRNN_SIMULATOR_THREADS": 1}
    program = simulator.program(sources, MAIN, defines, folder, (f"-fsanitize={sanitizer}",))
    return subprocess.run([program], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_sanitizer_finds_nothing(variant: Variant, sanitizer: str, folder: Path) -> None:
    done = run(SOURCES, variant, sanitizer, folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sanitizer", ["thread"], indirect=True)
@pytest.mark.parametrize("file", ["forward.cuh", "backward.cuh"])
def test_a_barrier_taken_out_of_the_loop_is_reported(
    file: str, sanitizer: str, folder: Path, tmp_path: Path
) -> None:
    for path in (SOURCES / KERNELS, SOURCES / "arguments.h", *SOURCES.glob("*.cuh")):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    text = (tmp_path / file).read_text(encoding="utf-8")
    broken, count = re.subn(r"^    barrier\(\);\n", "", text, flags=re.MULTILINE)
    assert count == 1
    (tmp_path / file).write_text(broken, encoding="utf-8")
    done = run(tmp_path, Variant(units=33, inputs=2, gated=True), sanitizer, folder)
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
