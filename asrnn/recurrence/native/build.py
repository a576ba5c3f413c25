"""Compiling the CPU kernel at first use, into a cache that belongs to the user.

The library's file name is a hash of everything that decides its content, so that it never has to be
removed or checked for age, and any number of processes may build it at once: each compiles into a
folder of its own and moves the finished file into place.
"""

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax.ffi
import jaxlib.version

SOURCES = Path(__file__).parent / "cpu"
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
COMPILE_SECONDS = 600


class Unavailable(Exception):
    """Why there is no kernel, in one line."""


class Unit(NamedTuple):
    """One compilation: a source file under the flags of an instruction set."""

    name: str
    source: str
    flags: tuple[str, ...]


def units() -> tuple[Unit, ...]:
    """What has to be compiled for this machine's architecture."""
    kernels = [Unit("portable", "kernel.cc", ("-DASRNN_ISA=portable", "-DASRNN_LANES=4"))]
    if platform.machine() in ("x86_64", "AMD64"):
        avx2 = ("-DASRNN_ISA=avx2", "-DASRNN_LANES=8", "-mavx2", "-mfma")
        avx512 = ("-DASRNN_ISA=avx512", "-DASRNN_LANES=16", "-mavx512f", "-mfma")
        kernels += [Unit("avx512", "kernel.cc", avx512), Unit("avx2", "kernel.cc", avx2)]
    return (*kernels, Unit("handler", "handler.cc", ()))


def find_compiler() -> str:
    """The C++ compiler: $CXX, or the first of COMPILERS on the path."""
    chosen = os.environ.get("CXX")
    for name in (chosen,) if chosen else COMPILERS:
        if path := shutil.which(name):
            return path
    if chosen:
        raise Unavailable(f"no C++ compiler: CXX={chosen} not found")
    raise Unavailable("no C++ compiler: c++, g++ or clang++ not found")


def cache_dir() -> Path:
    """The private folder for compiled kernels, created if need be.

    A library is loaded into the process, so nobody else may be able to write there.
    """
    folder = _cache_base() / "native"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise Unavailable(f"cannot use the cache folder {folder}: {error}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise Unavailable(f"the cache folder {folder} is not a folder of this user")
    if status.st_mode & 0o022:
        raise Unavailable(f"the cache folder {folder} can be written by others; chmod 700 it")
    return folder


def _cache_base() -> Path:
    if named := os.environ.get("ASRNN_CACHE_DIR"):
        return Path(named).expanduser()
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named).expanduser() / "asrnn"
    try:
        return Path.home() / ".cache" / "asrnn"
    except RuntimeError as error:
        raise Unavailable("no home folder for the cache: set ASRNN_CACHE_DIR") from error


def library() -> Path:
    """The path of the compiled kernel, building it if it is not in the cache."""
    compiler = find_compiler()
    flags = (*FLAGS, *_sanitizer_flags(), "-isystem", jax.ffi.include_dir())
    folder = cache_dir()
    target = folder / f"asrnn-{_fingerprint(compiler, flags)}.so"
    if not target.exists():
        _build(compiler, flags, target)
    return target


def _sanitizer_flags() -> tuple[str, ...]:
    """For tests: $ASRNN_NATIVE_SANITIZE, such as address,undefined, makes an instrumented build.

    The interpreter has to load the sanitizer's libraries first:
    LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)
    $(c++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 python -m pytest ...
    """
    chosen = os.environ.get("ASRNN_NATIVE_SANITIZE")
    return (*SANITIZER_FLAGS, f"-fsanitize={chosen}") if chosen else ()


def _fingerprint(compiler: str, flags: Sequence[str]) -> str:
    version = _run([compiler, "--version"], Path("/")).stdout
    parts = [compiler, version, jaxlib.version.__version__, *flags, repr(units())]
    for source in sorted(SOURCES.iterdir()):
        if source.suffix in (".cc", ".h"):
            parts += [source.name, source.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=COMPILE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"cannot run the C++ compiler {command[0]}: {error}") from error


def _build(compiler: str, flags: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as name:
        folder = Path(name)

        def compile_unit(unit: Unit) -> subprocess.CompletedProcess[str]:
            source = str(SOURCES / unit.source)
            return _run(
                [compiler, *flags, *unit.flags, "-c", source, "-o", f"{unit.name}.o"], folder
            )

        with ThreadPoolExecutor() as pool:
            for done in pool.map(compile_unit, units()):
                _check(done, target)
        objects = [f"{unit.name}.o" for unit in units()]
        link = [compiler, *_sanitizer_flags(), "-shared", "-pthread", *objects, "-o", "library.so"]
        _check(_run(link, folder), target)
        os.replace(folder / "library.so", target)


def _check(done: subprocess.CompletedProcess[str], target: Path) -> None:
    if done.returncode == 0:
        return
    log = target.with_suffix(".log")
    log.write_text(f"{' '.join(done.args)}\n{done.stdout}", encoding="utf-8")
    errors = [line for line in done.stdout.splitlines() if "error" in line]
    detail = errors[0].strip() if errors else f"exit status {done.returncode}"
    raise Unavailable(f"the C++ compiler {done.args[0]} failed: {detail} (log: {log})")
