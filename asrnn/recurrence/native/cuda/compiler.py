"""From the kernels' source to an image for a GPU: by NVRTC, else by nvcc; kept in the cache."""

import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from asrnn.files import replacing
from asrnn.recurrence.native.compilation import (
    Unavailable,
    cache_dir,
    run_compiler,
    seal,
    sealed_content,
)
from asrnn.recurrence.native.cuda.nvrtc import Nvrtc, find_libraries
from asrnn.recurrence.native.cuda.variant import Variant

SOURCES = Path(__file__).parent
KERNELS = "kernels.cu"
# Of float32 the bits are those of the formula: products and sums are fused as they are written,
# and nothing is flushed or approximated but what activations.cuh asks for.
OPTIONS = ("-std=c++17", "--fmad=true", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")


class Compiler(Protocol):
    """Makes images; `name` says with what, down to the build."""

    name: str

    def __call__(self, options: Sequence[str]) -> tuple[bytes, str]:
        """The image, and what the assembler reports."""


class NvrtcCompiler:
    """NVRTC."""

    def __init__(self, path: str):
        self._nvrtc = Nvrtc(path)
        major, minor = self._nvrtc.version
        # A build has no number; releases of one minor version differ in size or date.
        file = Path(path).stat() if Path(path).is_absolute() else None
        build = f"{file.st_size} {file.st_mtime_ns}" if file else path
        self.name = f"NVRTC {major}.{minor} {build}"

    def __call__(self, options: Sequence[str]) -> tuple[bytes, str]:
        """The image, and what the assembler reports."""
        texts = sources()
        kernels = texts.pop(KERNELS)
        # NVRTC has no driver that would pass the assembler's options on.
        return self._nvrtc.compile(kernels, texts, [*options, "--ptxas-options=-v"])


class NvccCompiler:
    """nvcc, for machines with a CUDA toolkit."""

    def __init__(self, path: str):
        self._path = path
        flags = (os.environ.get(f"NVCC_{part}_FLAGS", "") for part in ("PREPEND", "APPEND"))
        self.name = " ".join([run_compiler([path, "--version"]).stdout, *flags])

    def __call__(self, options: Sequence[str]) -> tuple[bytes, str]:
        """The image, and what the assembler reports."""
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "image.cubin"
            source = str(SOURCES / KERNELS)
            done = run_compiler(
                [self._path, "-cubin", "-Xptxas=-v", *options, "-o", str(image), source]
            )
            if done.returncode:
                errors = [line for line in done.stdout.splitlines() if "error" in line]
                detail = errors[0] if errors else f"exit status {done.returncode}"
                raise Unavailable(f"nvcc failed: {detail}")
            return image.read_bytes(), done.stdout


@functools.cache
def find_compiler() -> Compiler:
    """NVRTC, or nvcc where there is none.

    Raises:
      Unavailable: if there is neither.
    """
    for path in find_libraries():
        try:
            return NvrtcCompiler(path)
        except (OSError, Unavailable):
            continue
    if nvcc := shutil.which("nvcc"):
        return NvccCompiler(nvcc)
    raise Unavailable("no compiler for CUDA: neither NVRTC (pip install 'jax[cuda13]') nor nvcc")


def sources() -> dict[str, str]:
    """The kernels' source by file name."""
    names = (KERNELS, *(path.name for path in SOURCES.glob("*.cuh")), "arguments.h")
    return {name: (SOURCES / name).read_text(encoding="utf-8") for name in sorted(names)}


def options_of(variant: Variant, architecture: str) -> tuple[str, ...]:
    """The command line for a variant and an architecture such as sm_90."""
    macros = (f"-D{name}={value}" for name, value in variant.macros().items())
    return (f"--gpu-architecture={architecture}", *OPTIONS, *macros)


def image(variant: Variant, architecture: str) -> bytes:
    """The machine code of a variant's kernels, from the cache or compiled.

    Raises:
      Unavailable: if there is no compiler, or it fails.
    """
    compiler, options = find_compiler(), options_of(variant, architecture)
    parts = [compiler.name, *options, *(text for pair in sources().items() for text in pair)]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    target = cache_dir() / f"asrnn-{name}.cubin"
    try:
        kept = sealed_content(target)
        if kept is not None:
            return kept
        content, _ = compiler(options)
        with replacing(target) as file:
            file.write_bytes(content)
        seal(target, content)
    except OSError as error:
        raise Unavailable(f"cannot keep the kernels in {target}: {error.strerror}") from error
    return content


class Usage(NamedTuple):
    """What a kernel takes of a multiprocessor, for each thread, as the assembler reports it."""

    registers: int
    spill_bytes: int  # read back from memory, in every step if it happens in the loop


def usage(report: str) -> dict[str, Usage]:
    """The figures of each kernel in an assembler's report."""
    found = {}
    for part in report.split("Compiling entry function '")[1:]:
        registers = re.search(r"Used (\d+) registers", part)
        spills = re.search(r"(\d+) bytes spill loads", part)
        if registers and spills:
            found[part.split("'")[0]] = Usage(int(registers.group(1)), int(spills.group(1)))
    return found
