"""One's own data: a file of arrays that `numpy.savez` wrote.

| array     | what                             | shape               | dtype             |
|-----------|----------------------------------|---------------------|-------------------|
| `inputs`  | sequences                        | [N, T, m]           | any but uint8     |
|           | images, one pixel a step         | [N, H, W (, Ch)]    | uint8             |
| `targets` | a class from 0, or one a step    | [N], [N, T]         | integer           |
|           | k numbers, or k a step           | [N (, k)], [N, T, k] | float            |
| `mask`    | False where a target does not count | [N], [N, T]      | bool              |

`inputs_validation`, `targets_validation`, `mask_validation` and the same with `_test` are parts of
their own. Without them the test part is taken from the examples by `task.split_seed`, and the
validation part by the seed of the run.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from asrnn.errors import ConfigError, DataError, near_miss, one_line
from asrnn.lazy import jax
from asrnn.options import SEED, Option
from asrnn.tasks.batches import split_off
from asrnn.tasks.images import sequences
from asrnn.tasks.images.sets import Facts
from asrnn.tasks.images.tasks import PIXELS, POOL, pixel_notes, read_pixels
from asrnn.tasks.paths import user_path
from asrnn.tasks.streams import Stream
from asrnn.tasks.task import (
    TEST_SIZE,
    Data,
    DataSet,
    Report,
    Resident,
    Settings,
    Task,
    TaskKind,
    time_major,
)

SPLIT_SEED = Option(
    "split_seed", 0, "which examples are the test part, where the data have none", SEED
)

PARTS = ("", "_validation", "_test")
ARRAYS = tuple(f"{name}{part}" for part in PARTS for name in ("inputs", "targets", "mask"))


class Contents(NamedTuple):
    """A file that was read and checked: inputs of images are [N, H, W, Ch], numbers [N, k]."""

    train: Data
    validation: Data | None
    test: Data | None
    images: bool
    every_step: bool
    classes: int | None
    """C; None where the targets are numbers."""
    sha256: str


def _make(settings: Settings) -> Task:
    if not settings.data_dir:
        raise ConfigError(
            "task npz needs the path of an .npz file; give --config.task.data_dir=FILE.npz"
        )
    path, options = user_path(settings.data_dir, "task.data_dir"), settings.options
    contents = read(path)
    image_shape: tuple[int, int, int] | None = None
    inputs, targets = contents.train["inputs"], contents.train["targets"]
    if contents.images:
        length = inputs.shape[1] * inputs.shape[2] // options["pool"] ** 2
        facts = _facts(inputs)
        image_shape, pixels = facts.shape, read_pixels(sequences.pixels, options, facts)

        def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
            del keys
            return pixels(images)

    else:
        length, sequence = inputs.shape[1], time_major  # type: ignore[assignment]
        for option in (PIXELS, POOL):
            if options[option.name] != option.default:
                raise ConfigError(
                    f"config.task.{option.name} is for images, and {path} has sequences;"
                    f" leave it at its default {option.default!r}"
                )

    def load(report: Report) -> DataSet:
        del report
        return _with_test_part(path, contents, options)

    return Task(
        "npz",
        length,
        inputs.shape[-1],
        targets.shape[-1] if contents.classes is None else contents.classes,
        Resident(load, sequence, contents.validation is not None, image_shape),
        targets="real" if contents.classes is None else "class",
        every_step=contents.every_step,
        notes={"npz_sha256": contents.sha256[:16], **pixel_notes(options)},
    )


def _facts(images: np.ndarray) -> Facts:
    """Mean and standard deviation of each channel of the training images."""
    unit = images.astype(np.float64) / 255
    std = np.maximum(unit.std((0, 1, 2)), 1e-6)
    shape = (images.shape[1], images.shape[2], images.shape[3])
    return Facts(shape, tuple(unit.mean((0, 1, 2)).tolist()), tuple(std.tolist()))


def _with_test_part(path: Path, contents: Contents, options: Any) -> DataSet:
    train, test = contents.train, contents.test
    if test is None:
        number = len(train["targets"])
        kept, taken = split_off(
            number, options["test_size"], options["split_seed"], Stream.TEST_SPLIT, "test_size"
        )
        test = {name: array[taken] for name, array in train.items()}
        train = {name: array[kept] for name, array in train.items()}
    return DataSet(train, test, f"{path}", contents.validation)


def read(path: Path) -> Contents:
    """Reads a file and checks all of it; the last one is remembered as long as it is unchanged.

    Raises:
      DataError: for anything that is wrong, in one line.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the path") from None
    return _read(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=1)
def _read(path: Path, changed: int, size: int) -> Contents:
    del changed, size
    arrays = read_arrays(path)
    for name in arrays.keys() - ARRAYS:
        if hint := near_miss(name, ARRAYS):
            raise DataError(f"{path} has an unknown array {name!r}{hint}")
    parts = [_part(path, arrays, part) for part in PARTS]
    train = parts[0]
    if train is None:
        raise AssertionError("the first part is there, or refused")
    images, classes = train["inputs"].ndim == 4, train["targets"].dtype == np.int32
    every_step = _every_step(train["targets"])
    for part, data in zip(PARTS[1:], parts[1:], strict=True):
        if data is not None:
            _check_alike(path, part, train, data)
    highest = max(int(_counted(data).max()) for data in parts if data is not None) if classes else 0
    if classes and highest < 1:
        raise DataError(f"{path} has targets of one class only; at least 2 classes expected")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Contents(
        train, parts[1], parts[2], images, every_step, highest + 1 if classes else None, sha256
    )


UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    AttributeError,
    OverflowError,
    MemoryError,  # a header that claims an array of terabytes
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted member
    SyntaxError,
    tokenize.TokenError,  # a header that NumPy takes for one of Python 2
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Raises:
      DataError: if it is not a readable one, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is not a zip archive")
            _check_size(file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except UNREADABLE as error:
        raise DataError(
            f"{path} is not a readable .npz file of plain arrays ({one_line(error)}); write it with"
            " numpy.savez(FILE, inputs=..., targets=...)"
        ) from None


def _check_size(file: IO[bytes]) -> None:
    """Refuses what unpacks to more than this machine has memory for.

    No more of a member is ever unpacked than the archive's directory says, true or not.

    Raises:
      ValueError: if the arrays are larger than the memory.
    """
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise ValueError(
            f"it unpacks to {size / 2**30:.0f} GiB, this machine has {memory / 2**30:.0f}"
        )


def _part(path: Path, arrays: dict[str, np.ndarray], part: str) -> Data | None:
    """One part of the data in the dtypes in which it is used; None if the file has no such part."""
    names = [f"inputs{part}", f"targets{part}"]
    if part and not {*names, f"mask{part}"} & arrays.keys():
        return None
    for name in names:
        if name not in arrays:
            raise DataError(f"{path} has no array {name!r}; it has {', '.join(sorted(arrays))}")
    inputs = _inputs(f"{names[0]} in {path}", arrays[names[0]])
    targets = _targets(f"{names[1]} in {path}", arrays[names[1]])
    if len(targets) != len(inputs):
        raise DataError(
            f"{path}: one target for each example expected, found {len(inputs)} {names[0]} and"
            f" {len(targets)} {names[1]}"
        )
    steps = inputs.shape[1] * (inputs.shape[2] if inputs.ndim == 4 else 1)
    if _every_step(targets) and targets.shape[1] != steps:
        raise DataError(
            f"{names[1]} in {path} must have one for each of {steps} steps, found shape"
            f" {targets.shape}"
        )
    data = {"inputs": inputs, "targets": targets}
    if f"mask{part}" in arrays:
        data["mask"] = _mask(f"mask{part} in {path}", arrays[f"mask{part}"], targets)
    counted = _counted(data)
    if targets.dtype == np.int32 and counted.min() < 0:
        raise DataError(f"{names[1]} in {path} must be classes from 0, found {counted.min()}")
    if not np.all(np.isfinite(counted)):
        raise DataError(f"{names[1]} in {path} hold a number that is not finite; mask it out")
    return data


def _inputs(what: str, inputs: np.ndarray) -> np.ndarray:
    image = inputs.dtype == np.uint8
    if inputs.ndim not in ((3, 4) if image else (3,)) or not inputs.size:
        raise DataError(
            f"{what} must be sequences [N, T, m], or images of uint8 [N, H, W] or [N, H, W, Ch],"
            f" found {inputs.dtype} {list(inputs.shape)}"
        )
    if inputs.dtype.kind not in "biuf":
        raise DataError(f"{what} must be real numbers, found dtype {inputs.dtype}")
    if image:
        return inputs if inputs.ndim == 4 else inputs[..., np.newaxis]
    with np.errstate(over="ignore"):
        numbers = inputs.astype(np.float32)
    if not np.all(np.isfinite(numbers)):
        raise DataError(f"{what} hold a number that is not finite, or too large for float32")
    return numbers


def _targets(what: str, targets: np.ndarray) -> np.ndarray:
    """Classes as int32 [N] or [N, T], numbers as float32 [N, k] or [N, T, k]."""
    if targets.dtype.kind in "iu" and targets.ndim in (1, 2):
        if targets.size and (targets.max() >= 2**31 or targets.min() < -(2**31)):
            raise DataError(f"{what} must be classes from 0, found {targets.max()}")
        return targets.astype(np.int32)
    if targets.dtype.kind == "f" and targets.ndim in (1, 2, 3) and targets.shape[-1]:
        with np.errstate(over="ignore"):
            numbers = targets.astype(np.float32)
        return numbers if targets.ndim > 1 else numbers[:, np.newaxis]
    raise DataError(
        f"{what} must be integers [N] or [N, T] for classes, or floats [N], [N, k] or [N, T, k],"
        f" found {targets.dtype} {list(targets.shape)}"
    )


def _mask(what: str, mask: np.ndarray, targets: np.ndarray) -> np.ndarray:
    shapes = [targets.shape[:1], targets.shape[:2]] if _every_step(targets) else [targets.shape[:1]]
    if mask.dtype != bool or mask.shape not in shapes or not mask.any():
        expected = " or ".join(str(list(shape)) for shape in shapes)
        raise DataError(
            f"{what} must be bool {expected} with a True in it, found {mask.dtype}"
            f" {list(mask.shape)}"
        )
    return mask


def _every_step(targets: np.ndarray) -> bool:
    return bool(targets.ndim == (2 if targets.dtype == np.int32 else 3))


def _counted(data: Data) -> np.ndarray:
    """The targets that count."""
    counted: np.ndarray = data["targets"][data["mask"]] if "mask" in data else data["targets"]
    return counted


def _check_alike(path: Path, part: str, train: Data, data: Data) -> None:
    for name in ("inputs", "targets"):
        first, other = train[name], data[name]
        if first.shape[1:] != other.shape[1:] or first.dtype != other.dtype:
            raise DataError(
                f"{name}{part} in {path} must be like {name},"
                f" {first.dtype} {list(first.shape[1:])} an example, found"
                f" {other.dtype} {list(other.shape[1:])}"
            )


NPZ = TaskKind(_make, ("npz",), (PIXELS, POOL, TEST_SIZE, SPLIT_SEED))
