"""Examples without targets, from files: what is to be predicted."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asrnn.errors import DataError, one_line
from asrnn.tasks.npz import read_arrays
from asrnn.tasks.task import Resident, Task


class Inputs(NamedTuple):
    """Examples, and a name for each of them."""

    inputs: np.ndarray
    names: list[str]


def found_files(patterns: Sequence[str]) -> list[Path]:
    """The files of these names, or of patterns with the wildcards `*` and `?` of a shell.

    Raises:
      DataError: for the first without a file.
    """
    return [path for pattern in patterns for path in _matching(pattern)]


def read_inputs(task: Task, paths: Sequence[Path]) -> Inputs:
    """Reads one .npz file, or pictures of the size of the task's images.

    Args:
      task: whose inputs they are to be; only whether it has images, and their shape, matters.
      paths: the files. An .npz file has an array `inputs`, or one array only; its examples are
        called by their numbers. A picture is converted to gray levels or to colours, whichever
        the task has.

    Raises:
      DataError: for a file that is unreadable or of another size.
    """
    packed = [path for path in paths if path.suffix == ".npz"]
    if packed and len(paths) > 1:
        raise DataError(f"{packed[0]} can only be read by itself; give one .npz file, or pictures")
    if packed:
        inputs = _from_npz(packed[0])
        return Inputs(inputs, [str(number) for number in range(len(inputs))])
    shape = task.source.image_shape if isinstance(task.source, Resident) else None
    if shape is None:
        raise DataError(
            f"task {task.name} has no images, so {paths[0]} cannot be one of its inputs; give an"
            " .npz file with an array inputs"
        )
    return Inputs(np.stack([_picture(path, shape) for path in paths]), [str(p) for p in paths])


def _matching(pattern: str) -> list[Path]:
    """The files of that name, or of that pattern in alphabetical order."""
    found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern))
    if not found:
        raise DataError(f"{pattern} not found; check the path")
    return [Path(name) for name in found]


def _from_npz(path: Path) -> np.ndarray:
    arrays = read_arrays(path)
    if "inputs" not in arrays and len(arrays) != 1:
        names = ", ".join(sorted(arrays)) or "none"
        raise DataError(f"{path} has no array 'inputs' among its arrays: {names}")
    inputs = arrays["inputs"] if "inputs" in arrays else next(iter(arrays.values()))
    if not inputs.ndim:
        raise DataError(f"{path} holds a single number; inputs [N, ...] expected")
    return inputs


def _picture(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """uint8 [H, W, Ch]."""
    from PIL import Image

    height, width, channels = shape
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a readable picture ({one_line(error)})") from None
    if pixels.shape[:2] != (height, width):
        raise DataError(
            f"{path} has {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width), the images"
            f" of the task have {height} x {width}; scale it first"
        )
    return pixels.reshape(shape)
