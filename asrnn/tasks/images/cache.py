"""Decoded images, kept for the next start.

What a start takes without and with it, measured on two cores: tfds MNIST 6 s -> 0.1 s, the packed
CIFAR-10 archive 3 s -> 0.4 s, the digits 1.4 s -> 0.01 s (importing scikit-learn). The original
MNIST files and unpacked CIFAR-10 records are decoded in 0.3 s: no cache for them, since it would
spend 55 and 185 MB of disk on less than 0.2 s.

A file in the cache directory is: 8 bytes magic, 32 bytes sha256 of all that follows, then five
little-endian int64 (N of train, N of test, H, W, Ch), the images of train and of test (uint8) and
their labels (little-endian int32). Any file may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asrnn.files import replacing
from asrnn.tasks.images.sets import Located, Split

# Change it whenever the layout below, or what the decoders return, changes.
_MAGIC = b"asrnn-1\n"
_DIGEST_BYTES = 32
_HEADER = np.dtype("<i8")
_LABEL = np.dtype("<i4")


def cache_dir() -> Path:
    """Returns $ASRNN_CACHE_DIR, else $XDG_CACHE_HOME/asrnn, else ~/.cache/asrnn."""
    if chosen := os.environ.get("ASRNN_CACHE_DIR"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "asrnn"
    return Path.home() / ".cache" / "asrnn"


def _pack(train: Split, test: Split) -> bytes:
    header = (len(train.labels), len(test.labels), *train.images.shape[1:])
    body = b"".join(
        (
            np.array(header, _HEADER).tobytes(),
            train.images.tobytes(),
            test.images.tobytes(),
            train.labels.astype(_LABEL).tobytes(),
            test.labels.astype(_LABEL).tobytes(),
        )
    )
    return _MAGIC + hashlib.sha256(body).digest() + body


def _unpack(content: bytes) -> tuple[Split, Split]:
    """Raises ValueError if the content is not what `_pack` made."""
    view = memoryview(content)
    start = len(_MAGIC) + _DIGEST_BYTES
    body = view[start:]
    if view[: len(_MAGIC)] != _MAGIC or view[len(_MAGIC) : start] != hashlib.sha256(body).digest():
        raise ValueError("damaged")
    train, test, *shape = np.frombuffer(body, _HEADER, 5).tolist()
    images_start = 5 * _HEADER.itemsize
    labels_start = images_start + (train + test) * math.prod(shape)
    images = np.frombuffer(body[images_start:labels_start], np.uint8).reshape(-1, *shape)
    labels = np.frombuffer(body[labels_start:], _LABEL).astype(np.int32)
    return Split(images[:train], labels[:train]), Split(images[train:], labels[train:])


def _write(path: Path, content: bytes) -> None:
    """Writes all or nothing, also where others write the same file at the same time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)


def decoded(image_set: str, located: Located, report: Callable[[str], None]) -> tuple[Split, Split]:
    """Returns (train, test) of `located`, from the cache if they are there, else decoded.

    A damaged file in the cache is rebuilt, and a cache that cannot be written is no error;
    `report` gets one line about either.

    Raises:
      DataError: from `located.decode`.
    """
    if located.fingerprint is None:
        return located.decode()
    key = hashlib.sha256(f"{_MAGIC!r} {image_set} {located.fingerprint}".encode()).hexdigest()
    try:
        path = cache_dir() / f"{image_set}-{key[:32]}"
    except RuntimeError:  # no home directory
        return located.decode()
    try:
        return _unpack(path.read_bytes())
    except OSError:
        pass  # Not there yet; or the cache is unusable, and writing to it will say why.
    except ValueError:
        report(f"note: {path} is damaged; decoding the original data again")
    train, test = located.decode()
    try:
        _write(path, _pack(train, test))
    except OSError as error:
        report(f"note: cannot keep decoded images in {path.parent} ({error.strerror}); going on")
    return train, test
