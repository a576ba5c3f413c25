"""The binary CIFAR-10 format: records of 1 label byte and 3072 bytes, the red, the green and the
blue plane of 32 x 32 each, row by row (A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html).
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Mapping

import numpy as np

from asrnn.errors import DataError
from asrnn.tasks.images.sets import Split

FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)
# The names of the labels 0 to 9, as in the archive's batches.meta.txt.
LABEL_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

_RECORD = 1 + 3 * 32 * 32
_RECORDS_PER_FILE = 10_000
_CLASSES = 10
FILE_LIMIT = _RECORD * _RECORDS_PER_FILE
# The six files and what tar puts around them.
ARCHIVE_LIMIT = 6 * FILE_LIMIT + (1 << 20)


def members(archive: bytes, archive_name: str) -> dict[str, bytes]:
    """Reads the six record files out of an (unpacked) tar archive, by their names.

    Nothing is written to disk, and no name in the archive is used as a path.

    Raises:
      DataError: not a whole tar archive, or a record file is missing or not a plain file.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                folder, name = posixpath.split(posixpath.normpath(member.name))
                wanted = folder == FOLDER and name in TRAIN_FILES + TEST_FILES
                content = tar.extractfile(member) if wanted and member.isreg() else None
                if content is not None:
                    found[name] = content.read(FILE_LIMIT + 1)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(
            f"{archive_name} is damaged: a whole tar archive expected, found one that cannot be "
            f"read ({error}); put the original file there again"
        ) from error
    missing = [name for name in TRAIN_FILES + TEST_FILES if name not in found]
    if missing:
        raise DataError(
            f"{archive_name} is not the binary CIFAR-10 archive: {FOLDER}/{missing[0]} expected in "
            "it, not found; put the original file there"
        )
    return found


def check(files: Mapping[str, bytes], where: str) -> None:
    """Checks the six files: whole records, labels from 0 to 9, none cut short.

    The original files have 10,000 records each. A set that is smaller in all its files is taken
    for a deliberate one; a short file beside a full one is an interrupted copy.

    Raises:
      DataError: naming the first file that is wrong, in `where`.
    """
    some_full = any(len(content) == FILE_LIMIT for content in files.values())
    for name, content in files.items():
        short = some_full and len(content) < FILE_LIMIT
        if not content or len(content) % _RECORD or len(content) > FILE_LIMIT or short:
            found = "more" if len(content) > FILE_LIMIT else str(len(content))
            raise DataError(
                f"{name} in {where} is damaged: {FILE_LIMIT} bytes expected, {_RECORDS_PER_FILE} "
                f"records of {_RECORD}, found {found}; put the original file there again"
            )
        highest = int(np.frombuffer(content, np.uint8)[::_RECORD].max())
        if highest >= _CLASSES:
            raise DataError(
                f"{name} in {where} is damaged: labels from 0 to {_CLASSES - 1} expected, found "
                f"{highest}; put the original file there again"
            )


def decode(files: Mapping[str, bytes], names: tuple[str, ...]) -> Split:
    """Puts the records of the (checked) files `names` together, in that order.

    Returns:
      images uint8 [N, 32, 32, 3], channels red, green, blue, and labels int32 [N].
    """
    count = sum(len(files[name]) for name in names) // _RECORD
    images = np.empty((count, 32, 32, 3), np.uint8)
    labels = np.empty(count, np.int32)
    start = 0
    for name in names:
        records = np.frombuffer(files[name], np.uint8).reshape(-1, _RECORD)
        stop = start + len(records)
        images[start:stop] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels[start:stop] = records[:, 0]
        start = stop
    return Split(images, labels)
