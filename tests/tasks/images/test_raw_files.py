"""Raw files: read whole, up to a limit, and unpacked up to a limit."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from asrnn.errors import DataError
from asrnn.tasks.images.raw_files import RawFile, gunzip, read_raw

CONTENT = bytes(range(256)) * 40


def packed(content: bytes) -> RawFile:
    return RawFile(Path("f.gz"), content, "")


def test_a_file_is_read_with_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    expected = RawFile(path, CONTENT, hashlib.sha256(CONTENT).hexdigest())
    assert read_raw(path, len(CONTENT)) == expected


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    with pytest.raises(DataError, match=f"f is too large: at most {len(CONTENT) - 1} bytes"):
        read_raw(tmp_path / "f", len(CONTENT) - 1)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"cannot read {tmp_path}: Is a directory"):
        read_raw(tmp_path, 10)


def test_gzip_is_unpacked() -> None:
    assert gunzip(packed(gzip.compress(CONTENT)), len(CONTENT)) == CONTENT


def test_gzip_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    bomb = gzip.compress(bytes(10**6))
    with pytest.raises(DataError, match=r"f.gz is not the original: at most 1000 bytes"):
        gunzip(packed(bomb), 1000)


@pytest.mark.parametrize("length", [0, 5, 100, -9, -1])
def test_truncated_gzip_is_refused(length: int) -> None:
    content = gzip.compress(CONTENT)[:length]
    if not content:  # gzip takes nothing for nothing; whoever reads the content finds it too short
        assert gunzip(packed(content), len(CONTENT)) == b""
        return
    with pytest.raises(DataError, match=r"f.gz is damaged: .* put the original file there again"):
        gunzip(packed(content), len(CONTENT))


def test_a_flipped_byte_anywhere_is_refused_or_harmless() -> None:
    original = gzip.compress(CONTENT, mtime=0)
    refused = 0
    for position in range(len(original)):
        damaged = bytearray(original)
        damaged[position] ^= 0x04
        try:
            # The header has bytes that say nothing about the content, its date for instance.
            assert gunzip(packed(bytes(damaged)), len(CONTENT)) == CONTENT
        except DataError:
            refused += 1
    assert refused >= len(original) - 10
