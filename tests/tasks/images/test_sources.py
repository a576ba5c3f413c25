"""Sources: one door, the same arrays whichever source they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asrnn.errors import ConfigError, DataError
from asrnn.tasks.images import originals
from asrnn.tasks.images.sets import ImageSet, Split
from asrnn.tasks.images.sources import load_image_set
from tests.tasks.images.fakes import (
    assert_same,
    cifar10_splits,
    mnist_splits,
    write_cifar10,
    write_mnist,
)

SHAPES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


def ignore(line: str) -> None:
    del line


def load(image_set: str, source: str, data_dir: Path) -> ImageSet:
    return load_image_set(image_set, source, str(data_dir), report=ignore)


@pytest.mark.parametrize(
    ("image_set", "write", "splits"),
    [("mnist", write_mnist, mnist_splits), ("cifar10", write_cifar10, cifar10_splits)],
)
def test_tfds_and_files_give_the_same_arrays_decoded_or_from_the_cache(
    prepared_root: Path,
    tmp_path: Path,
    image_set: str,
    write: Callable[[Path], None],
    splits: Callable[[], tuple[Split, Split]],
) -> None:
    write(tmp_path)
    for source, folder in (("files", tmp_path), ("tfds", prepared_root)):
        for _ in range(2):
            found = load(image_set, source, folder)
            for split, expected in zip(found[:2], splits(), strict=True):
                assert_same(split, expected)
            assert str(folder) in found.origin and "\n" not in found.origin


def test_the_digits_are_bundled(tmp_path: Path) -> None:
    for _ in range(2):
        digits = load("digits", "bundled", tmp_path)
        assert digits.train.images.shape == (1442, 8, 8, 1)
        assert digits.test.labels.shape == (355,)
        assert "scikit-learn" in digits.origin


@pytest.mark.parametrize(
    ("image_set", "source", "kept"),
    [
        ("digits", "bundled", 1),
        ("mnist", "tfds", 1),
        ("cifar10", "tfds", 1),
        ("cifar10", "files", 1),
        ("mnist", "files", 0),
    ],
)
def test_what_is_slow_to_decode_is_kept(
    prepared_root: Path, tmp_path: Path, own_cache: Path, image_set: str, source: str, kept: int
) -> None:
    write_mnist(tmp_path)
    write_cifar10(tmp_path)
    load(image_set, source, prepared_root if source == "tfds" else tmp_path)
    assert (len(list(own_cache.iterdir())) if own_cache.exists() else 0) == kept


def test_the_second_start_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    load("cifar10", "files", tmp_path)
    monkeypatch.setattr(originals, "decode_cifar10", None)
    load("cifar10", "files", tmp_path)


def test_a_changed_file_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    load("cifar10", "files", tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        load("cifar10", "files", tmp_path)


@pytest.mark.parametrize(
    ("image_set", "source", "offered"),
    [
        ("digits", "tfds", "bundled"),
        ("digits", "files", "bundled"),
        ("mnist", "bundled", "tfds, files"),
        ("cifar10", "file", "tfds, files"),
    ],
)
def test_a_source_that_a_set_does_not_have_is_refused(
    tmp_path: Path, image_set: str, source: str, offered: str
) -> None:
    with pytest.raises(
        ConfigError, match=f"source for {image_set} must be one of {offered}; found '{source}'"
    ):
        load(image_set, source, tmp_path)


@pytest.mark.parametrize("name", ["imagenet", "pmnist"])
def test_an_unknown_image_set_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"found '{name}'"):
        load(name, "files", tmp_path)
