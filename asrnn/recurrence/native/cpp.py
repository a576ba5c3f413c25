"""Compiling C++ into a shared library at first use, into a cache that belongs to the user.

The library's file name has a hash of everything that decides its content, so that it never has to
be removed or checked for age. Of several processes one builds it and the others wait; where files
cannot be locked each compiles into a folder of its own and moves the finished file into place. Size
and hash of the file are kept beside it, and one that differs is not loaded but built again.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax.ffi
import jaxlib.version

from asrnn.recurrence.native.compilation import (
    BUILD,
    Unavailable,
    announced,
    cache_dir,
    one_at_a_time,
    remove_abandoned,
    run_compiler,
    seal,
    sealed_content,
)

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


def find_compiler() -> list[str]:
    """The command of the C++ compiler: $CXX, which may have arguments, or the first of COMPILERS.

    Raises:
      Unavailable: if it is not there.
    """
    chosen = os.environ.get("CXX", "")
    try:
        words = shlex.split(chosen)
    except ValueError as error:
        raise Unavailable(f"no C++ compiler: CXX={chosen} cannot be read ({error})") from error
    for name in words[:1] or COMPILERS:
        if path := shutil.which(name):
            return [path, *words[1:]]
    if words:
        raise Unavailable(f"no C++ compiler: CXX={chosen} not found")
    raise Unavailable("no C++ compiler: c++, g++ or clang++ not found")


def shared_library(sources: Path, units: Sequence[Unit], name: str = "the native kernel") -> Path:
    """The path of a compiled library, building it if it is not in the cache.

    Without a compiler, as on the nodes of some clusters, a library that another one has built from
    the same sources will do.

    Args:
      sources: the folder of the sources; a change of any of them makes another library.
      units: what to compile.
      name: what a user is told that it is.

    Raises:
      Unavailable: if it cannot be built.
    """
    flags = (*FLAGS, *_sanitizer_flags())
    folder, made_of = cache_dir(), _hash_of_sources(flags, sources, units)
    try:
        compiler = find_compiler()
    except Unavailable:
        for kept in sorted(folder.glob(f"asrnn-{made_of}-*.so")):
            if sealed_content(kept) is not None:
                return kept
        raise
    target = folder / f"asrnn-{made_of}-{_hash_of_compiler(compiler)}.so"
    if sealed_content(target) is None:
        flags = (*flags, "-isystem", jax.ffi.include_dir())
        try:
            with one_at_a_time(target):
                if sealed_content(target) is None:
                    remove_abandoned(folder)
                    with announced(compiler[0], name):
                        _build(compiler, flags, sources, units, target)
        except OSError as error:
            raise Unavailable(f"cannot keep the kernel in {folder}: {error.strerror}") from error
    return target


def _sanitizer_flags() -> tuple[str, ...]:
    """For tests: $ASRNN_NATIVE_SANITIZE, such as address,undefined, makes an instrumented build.

    The interpreter has to load the sanitizer's libraries first:
    LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)
    $(c++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 python -m pytest ...
    """
    chosen = os.environ.get("ASRNN_NATIVE_SANITIZE")
    return (*SANITIZER_FLAGS, f"-fsanitize={chosen}") if chosen else ()


def _hash_of_sources(flags: Sequence[str], sources: Path, units: Sequence[Unit]) -> str:
    parts = [platform.machine(), jaxlib.version.__version__, *flags, repr(tuple(units))]
    for source in sorted(sources.iterdir()):
        if source.suffix in (".cc", ".h"):
            parts += [source.name, source.read_text(encoding="utf-8")]
    return _hash(parts)


def _hash_of_compiler(compiler: Sequence[str]) -> str:
    return _hash([*compiler, run_compiler([*compiler, "--version"], Path("/")).stdout])


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _build(
    compiler: Sequence[str],
    flags: Sequence[str],
    sources: Path,
    units: Sequence[Unit],
    target: Path,
) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=BUILD) as name:
        folder = Path(name)

        def compile_unit(unit: Unit) -> subprocess.CompletedProcess[str]:
            source = str(sources / unit.source)
            return run_compiler(
                [*compiler, *flags, *unit.flags, "-c", source, "-o", f"{unit.name}.o"], folder
            )

        with ThreadPoolExecutor() as pool:
            for done in pool.map(compile_unit, units):
                _check(done, target)
        objects = [f"{unit.name}.o" for unit in units]
        link = [*compiler, *_link_flags(), "-shared", "-pthread", *objects, "-o", "library.so"]
        done = run_compiler(link, folder)
        if done.returncode:  # the driver of C, say CXX=gcc, leaves the library of C++ out
            done = run_compiler([*link, "-lstdc++", "-lm"], folder)
        _check(done, target)
        content = (folder / "library.so").read_bytes()
        os.replace(folder / "library.so", target)
        seal(target, content)


def _link_flags() -> tuple[str, ...]:
    """A library that lacks a symbol is an error here, and not when it is loaded."""
    if sanitizers := _sanitizer_flags():
        return sanitizers  # whose symbols are those of a library that was loaded before
    return ("-Wl,-z,defs",) if sys.platform == "linux" else ()


def _check(done: subprocess.CompletedProcess[str], target: Path) -> None:
    if done.returncode == 0:
        return
    log = target.with_suffix(".log")
    log.write_text(f"{' '.join(done.args)}\n{done.stdout}", encoding="utf-8")
    errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
    detail = errors[0].strip() if errors else f"exit status {done.returncode}"
    raise Unavailable(f"the C++ compiler {done.args[0]} failed: {detail} (log: {log})")
