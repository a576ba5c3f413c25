"""The bytes of a user's file, read whole and with a limit, and their identity."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from pathlib import Path
from typing import NamedTuple

from asrnn.errors import DataError


class RawFile(NamedTuple):
    """What a file contained at the moment it was read."""

    path: Path
    content: bytes
    sha256: str


def read_raw(path: Path, limit: int) -> RawFile:
    """Reads a file of at most `limit` bytes.

    Raises:
      DataError: the file cannot be read or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the file") from error
    if len(content) > limit:
        raise DataError(
            f"{path} is too large: at most {limit} bytes expected, found more; put the original "
            "file there"
        )
    return RawFile(path, content, hashlib.sha256(content).hexdigest())


def gunzip(file: RawFile, limit: int) -> bytes:
    """Unpacks at most `limit` bytes and verifies gzip's own checksum.

    Raises:
      DataError: truncated, damaged or not gzip, or more than `limit` bytes.
    """
    try:
        # One byte more than allowed: only at the end of the stream is the checksum compared.
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(file.content)).read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{file.path} is damaged: a whole gzip file expected, found {len(file.content)} bytes "
            f"that do not unpack ({error}); put the original file there again"
        ) from error
    if len(unpacked) > limit:
        raise DataError(
            f"{file.path} is not the original: at most {limit} bytes expected in it, found more; "
            "put the original file there"
        )
    return unpacked
