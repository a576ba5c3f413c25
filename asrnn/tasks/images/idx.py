"""The IDX format of the original files of MNIST and Fashion-MNIST.

Big-endian: int32 magic number (2051 images, 2049 labels), int32 count, for images also int32 rows
and int32 columns, then one byte a pixel or label (Y. LeCun, "The MNIST database").
"""

from __future__ import annotations

import numpy as np

from asrnn.errors import DataError
from asrnn.tasks.images.sets import Split

_IMAGES_MAGIC = 2051
_LABELS_MAGIC = 2049
_SIZE = 28
_CLASSES = 10
_ADVICE = "put the original file there again"


def size_limit(name: str) -> int:
    """Returns the bytes that the MNIST file called `name` holds, unpacked, at most."""
    count = 60_000 if name.startswith("train") else 10_000
    return 16 + count * _SIZE * _SIZE if "images" in name else 8 + count


def _body(content: bytes, magic: int, item_shape: tuple[int, ...], name: str) -> np.ndarray:
    """Returns uint8 [N, *item_shape], the part after the header; checks all of the structure."""
    length = 4 * (2 + len(item_shape))
    if len(content) < length:
        raise DataError(
            f"{name} is damaged: a header of {length} bytes expected, found {len(content)} bytes "
            f"in all; {_ADVICE}"
        )
    found_magic, count, *found_shape = np.frombuffer(content[:length], ">i4").tolist()
    if (found_magic, *found_shape) != (magic, *item_shape):
        raise DataError(
            f"{name} is not the file it should be: magic number and item shape "
            f"{(magic, *item_shape)} expected, found {(found_magic, *found_shape)}; {_ADVICE}"
        )
    expected = count * int(np.prod(item_shape, dtype=np.int64))
    if count < 1 or len(content) - length != expected:
        raise DataError(
            f"{name} is damaged: its header announces {count} items, {expected} bytes expected "
            f"after it, found {len(content) - length}; {_ADVICE}"
        )
    return np.frombuffer(content, np.uint8, offset=length).reshape(count, *item_shape)


def decode(images: bytes, labels: bytes, images_name: str, labels_name: str) -> Split:
    """Reads the two (unpacked) files of one split; the names are for the error messages.

    Returns:
      images uint8 [N, 28, 28, 1], a read-only view of the bytes, and labels int32 [N].

    Raises:
      DataError: wrong magic number, image size, count or length, or a label above 9.
    """
    pixels = _body(images, _IMAGES_MAGIC, (_SIZE, _SIZE), images_name)
    classes = _body(labels, _LABELS_MAGIC, (), labels_name)
    if len(pixels) != len(classes):
        raise DataError(
            f"{images_name} and {labels_name} do not belong together: one label for each image "
            f"expected, found {len(pixels)} images and {len(classes)} labels; put both original "
            "files there"
        )
    if classes.max() >= _CLASSES:
        raise DataError(
            f"{labels_name} is damaged: labels from 0 to {_CLASSES - 1} expected, found "
            f"{classes.max()}; {_ADVICE}"
        )
    return Split(pixels[..., np.newaxis], classes.astype(np.int32))
