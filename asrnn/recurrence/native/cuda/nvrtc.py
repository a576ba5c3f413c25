"""NVIDIA's run-time compiler, a shared library that jax's CUDA wheels bring along.

Documentation: https://docs.nvidia.com/cuda/nvrtc/.
"""

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asrnn.recurrence.native.compilation import Unavailable


def find_libraries() -> Iterator[str]:
    """Where NVRTC may be, best first: the wheels beside jax, then the system."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        # The wheels of CUDA 13 and later, then those of CUDA 12.
        for pattern in ("cu[0-9]*/lib/libnvrtc.so.[0-9]*", "cuda_nvrtc/lib/libnvrtc.so.[0-9]*"):
            yield from map(str, sorted(Path(folder).glob(pattern), key=_major, reverse=True))
    if found := ctypes.util.find_library("nvrtc"):
        yield found


def _major(path: Path) -> int:
    digits = path.name.removeprefix("libnvrtc.so.").split(".")[0]
    return int(digits) if digits.isdecimal() else 0


class Nvrtc:
    """The compiler in one shared library.

    Attributes:
      version: (major, minor) of CUDA.
    """

    def __init__(self, path: str):
        # NVRTC looks for its built-in functions on the library path only, and they lie beside it.
        if Path(path).is_absolute():
            for builtins in Path(path).parent.glob("libnvrtc-builtins.so*"):
                ctypes.CDLL(str(builtins))
        self._library = ctypes.CDLL(path)
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        self.version = (major.value, minor.value)

    def compile(
        self, source: str, headers: Mapping[str, str], options: Sequence[str]
    ) -> tuple[bytes, str]:
        """Machine code for a real architecture, and what the compiler has to say.

        Args:
          source: CUDA C++.
          headers: texts by the names under which they are included.
          options: of the command line; with --gpu-architecture=sm_NN.

        Raises:
          Unavailable: with the first error, if the source does not compile.
        """
        texts = (ctypes.c_char_p * len(headers))(*(text.encode() for text in headers.values()))
        names = (ctypes.c_char_p * len(headers))(*(name.encode() for name in headers))
        program = ctypes.c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(
                ctypes.byref(program), source.encode(), b"kernels.cu", len(headers), texts, names
            )
        )
        try:
            given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            failed = self._library.nvrtcCompileProgram(program, len(options), given)
            log = self._text(program, "ProgramLog").decode(errors="replace").rstrip("\0")
            if failed:
                errors = [line for line in log.splitlines() if "error" in line]
                detail = errors[0].strip() if errors else self._message(failed)
                raise Unavailable(f"NVRTC failed: {detail}")
            return self._text(program, "CUBIN"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        self._check(self._call(f"nvrtcGet{what}", program, buffer))
        return buffer.raw

    def _call(self, name: str, *arguments: Any) -> int:
        try:
            function = getattr(self._library, name)
        except AttributeError:
            raise Unavailable(f"NVRTC is too old: it has no {name}") from None
        result: int = function(*arguments)
        return result

    def _message(self, error: int) -> str:
        text: bytes = self._library.nvrtcGetErrorString(error)
        return text.decode()

    def _check(self, error: int) -> None:
        if error:
            raise Unavailable(f"NVRTC failed: {self._message(error)}")
