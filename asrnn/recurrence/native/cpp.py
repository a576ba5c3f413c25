"""Compiling C++ into a shared library at first use, into a cache that belongs to the user.

The library's file name is a hash of everything that decides its content, so that it never has to be
removed or checked for age, and any number of processes may build it at once: each compiles into a
folder of its own and moves the finished file into place.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax.ffi
import jaxlib.version

from asrnn.recurrence.native.compilation import Unavailable, cache_dir, run_compiler

COMPILERS = ("c++", "g++", "clang++")
# Separate multiplications and additions may be fused, but nothing may assume that NaN and
# infinities are absent.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
)
SANITIZER_FLAGS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")


class Unit(NamedTuple):
    """One compilation: a source file under the flags of an instruction set."""

    name: str
    source: str
    flags: tuple[str, ...]


def find_compiler() -> str:
    """The C++ compiler: $CXX, or the first of COMPILERS on the path."""
    chosen = os.environ.get("CXX")
    for name in (chosen,) if chosen else COMPILERS:
        if path := shutil.which(name):
            return path
    if chosen:
        raise Unavailable(f"no C++ compiler: CXX={chosen} not found")
    raise Unavailable("no C++ compiler: c++, g++ or clang++ not found")


def shared_library(sources: Path, units: Sequence[Unit]) -> Path:
    """The path of a compiled library, building it if it is not in the cache.

    Args:
      sources: the folder of the sources; a change of any of them makes another library.
      units: what to compile.

    Raises:
      Unavailable: if it cannot be built.
    """
    compiler = find_compiler()
    flags = (*FLAGS, *_sanitizer_flags(), "-isystem", jax.ffi.include_dir())
    target = cache_dir() / f"asrnn-{_fingerprint(compiler, flags, sources, units)}.so"
    if not target.exists():
        _build(compiler, flags, sources, units, target)
    return target


def _sanitizer_flags() -> tuple[str, ...]:
    """For tests: $ASRNN_NATIVE_SANITIZE, such as address,undefined, makes an instrumented build.

    The interpreter has to load the sanitizer's libraries first:
    LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)
    $(c++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 python -m pytest ...
    """
    chosen = os.environ.get("ASRNN_NATIVE_SANITIZE")
    return (*SANITIZER_FLAGS, f"-fsanitize={chosen}") if chosen else ()


def _fingerprint(compiler: str, flags: Sequence[str], sources: Path, units: Sequence[Unit]) -> str:
    version = run_compiler([compiler, "--version"], Path("/")).stdout
    parts = [compiler, version, jaxlib.version.__version__, *flags, repr(tuple(units))]
    for source in sorted(sources.iterdir()):
        if source.suffix in (".cc", ".h"):
            parts += [source.name, source.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _build(
    compiler: str, flags: Sequence[str], sources: Path, units: Sequence[Unit], target: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as name:
        folder = Path(name)

        def compile_unit(unit: Unit) -> subprocess.CompletedProcess[str]:
            source = str(sources / unit.source)
            return run_compiler(
                [compiler, *flags, *unit.flags, "-c", source, "-o", f"{unit.name}.o"], folder
            )

        with ThreadPoolExecutor() as pool:
            for done in pool.map(compile_unit, units):
                _check(done, target)
        objects = [f"{unit.name}.o" for unit in units]
        link = [compiler, *_sanitizer_flags(), "-shared", "-pthread", *objects, "-o", "library.so"]
        _check(run_compiler(link, folder), target)
        os.replace(folder / "library.so", target)


def _check(done: subprocess.CompletedProcess[str], target: Path) -> None:
    if done.returncode == 0:
        return
    log = target.with_suffix(".log")
    log.write_text(f"{' '.join(done.args)}\n{done.stdout}", encoding="utf-8")
    errors = [line for line in done.stdout.splitlines() if "error" in line]
    detail = errors[0].strip() if errors else f"exit status {done.returncode}"
    raise Unavailable(f"the C++ compiler {done.args[0]} failed: {detail} (log: {log})")
