"""Small data sets in the original formats, with content that no two images share."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asrnn.tasks.images.sets import IMAGE_SETS, OriginalFile, Split

MNIST_PARTS = (("train", 30), ("t10k", 20))
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def fake_split(shape: tuple[int, int, int], count: int, seed: int) -> Split:
    """`count` random images; labels 0, 1, ..., 9, 0, ... in a random order."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, *shape), np.uint8)
    return Split(images, random.permutation(np.arange(count, dtype=np.int32) % 10))


def idx_images(images: np.ndarray) -> bytes:
    return struct.pack(">4i", 2051, len(images), 28, 28) + images.tobytes()


def idx_labels(labels: np.ndarray) -> bytes:
    return struct.pack(">2i", 2049, len(labels)) + labels.astype(np.uint8).tobytes()


def mnist_files() -> dict[str, bytes]:
    """The four unpacked files, by their names without .gz."""
    files = {}
    for seed, (part, count) in enumerate(MNIST_PARTS):
        split = fake_split((28, 28, 1), count, seed)
        files[f"{part}-images-idx3-ubyte"] = idx_images(split.images)
        files[f"{part}-labels-idx1-ubyte"] = idx_labels(split.labels)
    return files


def mnist_splits() -> tuple[Split, Split]:
    """What the files of `mnist_files` hold."""
    train, test = (fake_split((28, 28, 1), n, s) for s, (_, n) in enumerate(MNIST_PARTS))
    return train, test


def write_mnist(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in mnist_files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1, mtime=0))


def records(split: Split) -> bytes:
    """One label byte, then the red, the green and the blue plane, image by image."""
    planes = split.images.transpose(0, 3, 1, 2).reshape(len(split.labels), -1)
    return np.concatenate([split.labels.astype(np.uint8)[:, None], planes], axis=1).tobytes()


def cifar10_files(per_file: int = 4) -> dict[str, bytes]:
    return {
        name: records(fake_split((32, 32, 3), per_file, seed))
        for seed, name in enumerate(CIFAR10_FILES)
    }


def cifar10_splits(per_file: int = 4) -> tuple[Split, Split]:
    """What the files of `cifar10_files` hold."""
    parts = [fake_split((32, 32, 3), per_file, seed) for seed in range(6)]
    train = Split(
        np.concatenate([part.images for part in parts[:5]]),
        np.concatenate([part.labels for part in parts[:5]]),
    )
    return train, parts[5]


def tar(files: dict[str, bytes], folder: str = "cifar-10-batches-bin") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def write_cifar10(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    archive = gzip.compress(tar(cifar10_files()), 1, mtime=0)
    (folder / "cifar-10-binary.tar.gz").write_bytes(archive)


def register(monkeypatch: pytest.MonkeyPatch, image_set: str, folder: Path, url: str) -> None:
    """Makes the files in `folder` the registered originals, to be downloaded below `url`."""
    files = []
    for original in IMAGE_SETS[image_set].files:
        content = (folder / original.name).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        files.append(OriginalFile(original.name, url + original.name, len(content), sha256))
    facts = replace(IMAGE_SETS[image_set], files=tuple(files))
    monkeypatch.setitem(IMAGE_SETS, image_set, facts)


def assert_same(found: Split, expected: Split) -> None:
    assert found.images.dtype == np.uint8 and found.labels.dtype == np.int32
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)
