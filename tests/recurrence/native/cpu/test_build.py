"""What is needed to have a kernel, and what is said where something is missing."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax.numpy as jnp
import pytest

from asrnn.errors import ConfigError
from asrnn.recurrence.native import compilation, cpp, cpu
from asrnn.recurrence.native.cpu import library
from tests.recurrence.native.reference import Sizes, as_jax, random_arguments

PROGRAM = "from asrnn.recurrence.native import cpu; print(cpu.available())"


def available_in_new_process(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_says_that_there_is_no_compiler(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    found = available_in_new_process(PATH=str(tmp_path), CXX="", ASRNN_CACHE_DIR=cache)
    assert found == "no C++ compiler: c++, g++ or clang++ not found"
    found = available_in_new_process(CXX="no-such-compiler", ASRNN_CACHE_DIR=cache)
    assert found == "no C++ compiler: CXX=no-such-compiler not found"


def test_says_that_the_compiler_failed_and_keeps_the_log(tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "x.cc:1: error: too old"; exit 1\n'
    )
    compiler.chmod(0o755)
    found = available_in_new_process(CXX=str(compiler), ASRNN_CACHE_DIR=str(tmp_path / "cache"))
    assert "failed: x.cc:1: error: too old" in found
    assert "\n" not in found
    (log,) = (tmp_path / "cache" / "native").glob("*.log")
    assert "too old" in log.read_text()


SMALL = (cpp.Unit("small", "small.cc", ()),)
SMALL_SOURCE = """#include <stdexcept>
#include <string>
extern "C" int answer(int x) {
  if (x < 0) throw std::runtime_error(std::string("negative"));
  return x + 1;
}
"""


@pytest.fixture
def small(kernel: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Compiles a small library that needs the C++ library, into an empty cache."""
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("ASRNN_NATIVE_SANITIZE", raising=False)
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "small.cc").write_text(SMALL_SOURCE)
    return lambda: cpp.shared_library(sources, SMALL)


def answer(library: Path) -> int:
    return int(ctypes.CDLL(str(library)).answer(1))


def test_a_finished_library_is_not_built_again(
    small: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("built again")

    path = small()
    monkeypatch.setattr(cpp, "_build", fail)
    assert small() == path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"),
        lambda path: path.with_name(path.name + ".sha256").unlink(),
        lambda path: path.with_name(path.name + ".sha256").write_bytes(b"\xff\x00"),
        Path.unlink,
    ],
    ids=["empty", "truncated", "flipped", "no hash", "a damaged hash", "gone"],
)
def test_a_library_that_is_not_what_was_built_is_built_again(
    small: Callable[[], Path], damage: Callable[[Path], object]
) -> None:
    path = small()
    path.replace(path.with_name("kept"))  # what is loaded must not change below this process
    path.write_bytes(path.with_name("kept").read_bytes())
    damage(path)
    assert small() == path
    assert cpp.sealed_content(path) is not None
    assert answer(path) == 2


def test_a_library_in_the_cache_needs_no_compiler(
    small: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = small()
    monkeypatch.setenv("CXX", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert small() == path
    path.write_bytes(b"")
    with pytest.raises(compilation.Unavailable, match=r"no C\+\+ compiler: c\+\+, g\+\+"):
        small()


def test_a_compiler_may_have_a_launcher_and_arguments(
    small: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launcher = tmp_path / "a launcher"
    launcher.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/log"\nexec "$@"\n')
    launcher.chmod(0o755)
    compiler = cpp.find_compiler()[0]
    monkeypatch.setenv("CXX", f"'{launcher}' {compiler} -O0")
    assert answer(small()) == 2
    assert set((tmp_path / "log").read_text().split()) == {compiler}
    monkeypatch.setenv("CXX", "'unclosed")
    with pytest.raises(compilation.Unavailable, match="CXX='unclosed cannot be read"):
        cpp.find_compiler()


def test_of_several_at_once_one_builds(
    small: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/log"\nexec "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("CXX", f"{launcher} {cpp.find_compiler()[0]}")
    with ThreadPoolExecutor() as pool:
        paths = {running.result() for running in [pool.submit(small) for _ in range(4)]}
    assert len(paths) == 1
    compilations = [line for line in (tmp_path / "log").read_text().splitlines() if " -c " in line]
    assert len(compilations) == 1
    assert capsys.readouterr().err.count("compiled the native kernel") == 1


def test_the_driver_of_c_makes_a_library_that_can_be_loaded(
    small: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    monkeypatch.setenv("CXX", "gcc")
    assert answer(small()) == 2


def test_nothing_of_one_processor_runs_when_the_library_is_loaded(kernel: None) -> None:
    # g++ names a file's initializer after the first symbol it defines, clang++ after the file.
    content = library.library_path().read_bytes()
    assert b"product_tile" in content  # names of local functions are kept
    initializers = re.findall(rb"_GLOBAL__sub_I_[\w.]*", content)
    assert not [name for name in initializers if b"kernel" in name]


@pytest.mark.usefixtures("kernel")
class TestArguments:
    """Mistakes are named before anything runs."""

    def test_shapes(self) -> None:
        arguments = list(as_jax(random_arguments(Sizes(3, 4, 5, 2, False))))
        arguments[2] = jnp.zeros(6)
        with pytest.raises(ValueError, match=r"bias has shape \(6,\), expected \(5,\)"):
            cpu.unroll(*arguments, return_states=False)

    def test_dtypes(self) -> None:
        arguments = list(as_jax(random_arguments(Sizes(3, 4, 5, 2, False))))
        arguments[6] = arguments[6].astype(jnp.bfloat16)
        with pytest.raises(TypeError, match="inputs is bfloat16, expected float32"):
            cpu.unroll(*arguments, return_states=False)

    def test_a_gate_needs_its_bias(self) -> None:
        arguments = list(as_jax(random_arguments(Sizes(3, 4, 5, 2, True))))
        arguments[4] = None
        with pytest.raises(ValueError, match="gate_bias has shape None"):
            cpu.unroll(*arguments, return_states=False)

    def test_unknown_instruction_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ASRNN_NATIVE_ISA", "mmx")
        arguments = as_jax(random_arguments(Sizes(3, 4, 5, 2, False)))
        with pytest.raises(ConfigError, match=r"ASRNN_NATIVE_ISA .* found 'mmx'"):
            cpu.unroll(*arguments, return_states=False)
