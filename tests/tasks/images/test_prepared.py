"""Prepared datasets: what tfds stored, given back in the order of the original files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asrnn.errors import DataError
from asrnn.tasks.images.prepared import file_order, is_prepared, locate_prepared, resolve_data_dir
from asrnn.tasks.images.sets import Split
from tests.tasks.images.fakes import assert_same, cifar10_splits, mnist_splits

SPLITS: dict[str, Callable[[], tuple[Split, Split]]] = {
    "mnist": mnist_splits,
    "cifar10": cifar10_splits,
}
SHARD = "mnist-train.array_record-00000-of-00001"


@pytest.fixture
def damaged(prepared_root: Path, tmp_path: Path) -> Path:
    """A copy of the prepared MNIST, to be damaged."""
    shutil.copytree(prepared_root / "mnist", tmp_path / "mnist")
    return tmp_path


@pytest.mark.parametrize("image_set", ["mnist", "cifar10"])
def test_the_arrays_are_those_of_the_original_files(prepared_root: Path, image_set: str) -> None:
    found = locate_prepared(image_set, str(prepared_root)).decode()
    for split, expected in zip(found, SPLITS[image_set](), strict=True):
        assert_same(split, expected)


@pytest.mark.parametrize("image_set", ["mnist", "cifar10"])
def test_tfds_itself_reads_the_same_examples_in_its_own_order(
    prepared_root: Path, image_set: str
) -> None:
    import tensorflow_datasets as tfds

    train, _ = SPLITS[image_set]()
    source = tfds.data_source(image_set, data_dir=prepared_root, split="train", download=False,
                              builder_kwargs={"file_format": "array_record"})  # fmt: skip
    stored = [source[i] for i in file_order("train", len(source)).tolist()]
    np.testing.assert_array_equal([example["image"] for example in stored], train.images)
    assert [example["label"] for example in stored] == train.labels.tolist()
    if image_set == "cifar10":
        assert [example["id"].decode() for example in stored] == [
            f"train_{i:05d}" for i in range(20)
        ]
        assert source.dataset_info.features["label"].names[:2] == ["airplane", "automobile"]


def test_the_order_is_that_of_the_hash_of_tfds() -> None:
    from tensorflow_datasets.core.hashing import Hasher

    hasher = Hasher("test")
    stored = sorted(range(500), key=hasher.hash_key)
    assert [stored[position] for position in file_order("test", 500)] == list(range(500))


def test_nothing_prepared_is_said_at_once_with_the_command_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # so that importing it fails
    expected = f"asrnn prepare --task=cifar10 --data_dir='{tmp_path / 'a b'}'"
    with pytest.raises(DataError, match=f"cifar10 is not prepared: .*{expected}$"):
        locate_prepared("cifar10", str(tmp_path / "a b"))
    assert not is_prepared("cifar10", tmp_path)


def test_where_the_original_files_lie_in_its_place_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").touch()
    with pytest.raises(DataError, match=r"are there, so read them with task\.source=files"):
        locate_prepared("cifar10", str(tmp_path))


def test_tfds_that_is_not_installed_is_said(
    prepared_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match="pip install tensorflow-datasets"):
        locate_prepared("mnist", str(prepared_root)).decode()


def test_an_empty_data_dir_is_the_one_of_tfds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_data_dir("/given") == Path("/given")
    monkeypatch.setenv("TFDS_DATA_DIR", "/of/tfds")
    assert resolve_data_dir("") == Path("/of/tfds")
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve_data_dir("") == Path("/home/me/tensorflow_datasets")
    assert resolve_data_dir("~/data") == Path("/home/me/data")


def flip_a_record(folder: Path) -> None:
    path = folder / SHARD
    content = bytearray(path.read_bytes())
    content[1000] ^= 0x10
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    path = folder / SHARD
    path.write_bytes(path.read_bytes()[:3000])


def empty(folder: Path) -> None:
    (folder / SHARD).write_bytes(b"")


def lose_a_shard(folder: Path) -> None:
    (folder / SHARD).unlink()


def lose_the_features(folder: Path) -> None:
    (folder / "features.json").unlink()


def break_the_info(folder: Path) -> None:
    (folder / "dataset_info.json").write_text("{")


def change_the_shape(folder: Path) -> None:
    train = folder.parent.parent / "cifar10" / "3.0.2" / SHARD.replace("mnist", "cifar10")
    (folder / SHARD).write_bytes(train.read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_record,
        truncate,
        empty,
        lose_a_shard,
        lose_the_features,
        break_the_info,
        change_the_shape,
    ],
)
def test_damage_is_one_line_that_says_what_to_do(
    prepared_root: Path, damaged: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(prepared_root / "cifar10", damaged / "cifar10")
    damage(damaged / "mnist" / "3.0.1")
    with pytest.raises(DataError, match=r"mnist/3.0.1 is damaged .*remove that folder") as caught:
        locate_prepared("mnist", str(damaged)).decode()
    assert "\n" not in str(caught.value)


def test_another_file_format_is_refused_with_what_to_do(damaged: Path) -> None:
    info = damaged / "mnist" / "3.0.1" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(DataError, match="prepared as tfrecord; array_record expected"):
        locate_prepared("mnist", str(damaged)).decode()


def test_the_fingerprint_follows_the_files(damaged: Path) -> None:
    before = locate_prepared("mnist", str(damaged)).fingerprint
    assert locate_prepared("mnist", str(damaged)).fingerprint == before
    path = damaged / "mnist" / "3.0.1" / SHARD
    os.utime(path, ns=(0, 0))
    rewritten = locate_prepared("mnist", str(damaged)).fingerprint
    os.truncate(path, 3000)
    os.utime(path, ns=(0, 0))
    truncated = locate_prepared("mnist", str(damaged)).fingerprint
    path.rename(path.with_name("another"))
    assert (
        len({before, rewritten, truncated, locate_prepared("mnist", str(damaged)).fingerprint}) == 4
    )
