"""The CIFAR-10 reader: planes become channels, and damage becomes one readable line."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from asrnn.errors import DataError
from asrnn.tasks.images import cifar_binary
from tests.tasks.images.fakes import (
    CIFAR10_FILES,
    assert_same,
    cifar10_files,
    cifar10_splits,
    tar,
)

FILES = cifar10_files()


def test_records_are_read_in_the_order_of_the_files() -> None:
    train, test = cifar10_splits()
    assert_same(cifar_binary.decode(FILES, cifar_binary.TRAIN_FILES), train)
    assert_same(cifar_binary.decode(FILES, cifar_binary.TEST_FILES), test)


def test_the_red_plane_is_channel_0_and_rows_come_before_columns() -> None:
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[0, 2, 5], planes[1, 7, 1], planes[2, 0, 31] = 1, 2, 3
    image = cifar_binary.decode({"f": b"\x04" + planes.tobytes()}, ("f",)).images[0]
    assert (image[2, 5, 0], image[7, 1, 1], image[0, 31, 2]) == (1, 2, 3)
    assert np.count_nonzero(image) == 3


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "./cifar-10-batches-bin"])
def test_the_six_files_are_taken_out_of_an_archive_and_nothing_else(folder: str) -> None:
    archive = tar({**FILES, "batches.meta.txt": b"airplane", "readme.html": b"x"}, folder)
    assert cifar_binary.members(archive, "a.tar.gz") == FILES


def test_a_file_missing_from_the_archive_is_named() -> None:
    archive = tar({name: FILES[name] for name in CIFAR10_FILES if name != "data_batch_3.bin"})
    with pytest.raises(DataError, match=r"a.tar.gz is not .* cifar-10-batches-bin/data_batch_3"):
        cifar_binary.members(archive, "a.tar.gz")


@pytest.mark.parametrize("folder", ["..", "/etc", "cifar-10-batches-bin/deeper", "other"])
def test_files_elsewhere_in_the_archive_are_not_taken(folder: str) -> None:
    with pytest.raises(DataError, match=r"data_batch_1.bin expected in it, not found"):
        cifar_binary.members(tar(FILES, folder), "a.tar.gz")


def test_a_link_in_the_place_of_a_file_is_not_followed() -> None:
    packed = io.BytesIO(tar(FILES))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        link = tarfile.TarInfo("cifar-10-batches-bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert cifar_binary.members(packed.getvalue(), "a") == FILES
    only_link = io.BytesIO()
    with tarfile.open(fileobj=only_link, mode="w") as archive:
        link.name = "cifar-10-batches-bin/data_batch_1.bin"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"data_batch_1.bin expected"):
        cifar_binary.members(only_link.getvalue(), "a")


@pytest.mark.parametrize("length", [0, 300, 5000, 60_000])
def test_a_truncated_archive_is_refused(length: int) -> None:
    with pytest.raises(DataError, match=r"^a.tar.gz is .* put the original file there") as caught:
        cifar_binary.members(tar(FILES)[:length], "a.tar.gz")
    assert "\n" not in str(caught.value)


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(DataError, match=r"a.tar.gz is damaged"):
        cifar_binary.members(b"x" * 100_000, "a.tar.gz")


def test_sound_files_pass_the_check() -> None:
    cifar_binary.check(FILES, "folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "30730000 bytes expected, 10000 records of 3073, found 0"),
        (FILES["test_batch.bin"][:-1], "found 12291"),
        (b"\x0a" + bytes(3072), "labels from 0 to 9 expected, found 10"),
        (bytes(cifar_binary.FILE_LIMIT + 3073), "found more"),
    ],
)
def test_a_damaged_file_is_named(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"test_batch.bin in folder is damaged: .*{message}"):
        cifar_binary.check({**FILES, "test_batch.bin": content}, "folder")


def test_a_file_cut_at_the_end_of_a_record_shows_beside_a_full_one() -> None:
    full, half = bytes(cifar_binary.FILE_LIMIT), bytes(cifar_binary.FILE_LIMIT // 2)
    assert len(half) % 3073 == 0
    with pytest.raises(DataError, match=r"data_batch_2.bin in folder is damaged: .*found 15365000"):
        cifar_binary.check({"data_batch_1.bin": full, "data_batch_2.bin": half}, "folder")
