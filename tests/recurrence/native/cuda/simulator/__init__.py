"""The CUDA kernel's own source, run on a CPU: its builder, its driver and its launcher.

Kernels are built by g++ against the `device.cuh` of this folder in place of the package's. By
default the threads of a block are fibers, and the environment's ASRNN_SIMULATOR_SEED says in which
order they run. With the define ASRNN_SIMULATOR_THREADS they are threads of the operating system,
for programs built with -fsanitize=thread or -fsanitize=address.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ("-std=c++17", "-O2", "-g1", "-fPIC", "-Wall", "-Wextra", "-Werror")
LIBRARY_FLAGS = ("-shared", "-fvisibility=hidden", "-fno-gnu-unique")
SOURCES = (".cuh", ".cu", ".h", ".cc")


class SimulationError(Exception):
    """What a launch was refused or given up for, in one line."""


def compiler() -> str | None:
    """The path of g++, if there is one: fibers.h speaks its dialect."""
    return shutil.which("g++")


def build(
    sources_dir: Path,
    kernel_file: str,
    defines: Mapping[str, str | int],
    folder: Path,
    flags: Sequence[str] = (),
) -> Path:
    """The library of a kernel of `sources_dir`, kept in `folder` under a hash of its content."""
    staged = _staged(sources_dir)
    command = (*FLAGS, *LIBRARY_FLAGS, *_defined(defines), *flags)
    return _compiled(staged, kernel_file, command, folder, ".so")


def program(
    sources_dir: Path,
    main: Path,
    defines: Mapping[str, str | int],
    folder: Path,
    flags: Sequence[str] = (),
) -> Path:
    """The program of `main`, which includes a kernel of `sources_dir` and calls `simulate_...`."""
    staged = {**_staged(sources_dir), main.name: main.read_text(encoding="utf-8")}
    return _compiled(staged, main.name, (*FLAGS, *_defined(defines), *flags), folder, "")


def driver(folder: Path) -> Path:
    """The library with the functions of the CUDA driver."""
    staged = {"driver.cc": (HERE / "driver.cc").read_text(encoding="utf-8")}
    return _compiled(staged, "driver.cc", (*FLAGS, "-shared", "-fno-gnu-unique"), folder, ".so")


def launch(
    library: Path,
    name: str,
    arguments: ctypes.Structure,
    grid: int,
    block: int,
    shared_bytes: int,
) -> None:
    """Runs `grid` blocks of `block` threads of a kernel. Raises SimulationError."""
    loaded = ctypes.CDLL(str(library))
    if loaded[f"simulate_{name}"](ctypes.byref(arguments), grid, block, shared_bytes):
        loaded.simulation_failure.restype = ctypes.c_char_p
        raise SimulationError(loaded.simulation_failure().decode())


def lacks_sanitizer(name: str, folder: Path) -> str | None:
    """Why no program can be built with -fsanitize=<name> and run here, or None."""
    try:
        trivial = _compiled(
            {"main.cc": "int main() {}\n"}, "main.cc", (f"-fsanitize={name}",), folder, ""
        )
    except RuntimeError:
        return f"the compiler lacks -fsanitize={name}"
    done = subprocess.run([trivial], capture_output=True)
    return f"a program with -fsanitize={name} does not run here" if done.returncode else None


def _staged(sources_dir: Path) -> dict[str, str]:
    """The texts to compile, by file name.

    They are compiled as copies in a folder of their own, for an #include looks first beside the
    file that it stands in, where the package has its own device.cuh.
    """
    kernels = [path for path in sources_dir.iterdir() if path.suffix in SOURCES]
    simulators = [path for path in HERE.iterdir() if path.suffix in (".cuh", ".h")]
    twice = {path.name for path in kernels} & {path.name for path in simulators} - {"device.cuh"}
    if twice:
        raise ValueError(f"the kernel and the simulator both have {', '.join(sorted(twice))}")
    return {path.name: path.read_text(encoding="utf-8") for path in (*kernels, *simulators)}


def _defined(defines: Mapping[str, str | int]) -> tuple[str, ...]:
    return tuple(f"-D{name}={value}" for name, value in defines.items())


def _compiled(
    staged: Mapping[str, str], file: str, flags: Sequence[str], folder: Path, suffix: str
) -> Path:
    chosen = compiler()
    if chosen is None:
        raise FileNotFoundError("no g++")
    parts = [chosen, file, *flags, *(part for item in sorted(staged.items()) for part in item)]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    target = folder / f"{Path(file).stem}-{name}{suffix}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
        for source, text in staged.items():
            (Path(scratch) / source).write_text(text, encoding="utf-8")
        command = [chosen, *flags, "-x", "c++", file, "-x", "none"]
        done = subprocess.run(
            [*command, "-o", "built", "-pthread", "-ldl"],
            cwd=scratch,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
        os.replace(Path(scratch) / "built", target)
    return target
