"""Original files: found under their names in a folder, and identified by their sha256."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asrnn.errors import ConfigError, DataError
from asrnn.tasks.images.originals import locate_cifar10, locate_idx, read_originals
from asrnn.tasks.images.sets import IMAGE_SETS
from tests.tasks.images.fakes import (
    assert_same,
    cifar10_files,
    cifar10_splits,
    mnist_files,
    mnist_splits,
    register,
    write_cifar10,
    write_mnist,
)


def ignore(line: str) -> None:
    del line


def refuse(line: str) -> None:
    raise AssertionError(f"unexpected report: {line}")


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_packed_mnist_is_read(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for found, expected in zip(
        locate_idx("mnist", str(tmp_path), ignore).decode(), mnist_splits(), strict=True
    ):
        assert_same(found, expected)


def test_unpacked_mnist_is_read_also_beside_packed_files(tmp_path: Path) -> None:
    files = mnist_files()
    images = files.pop("train-images-idx3-ubyte")
    write(tmp_path, {**files, "train-images-idx3-ubyte.gz": gzip.compress(images)})
    for found, expected in zip(
        locate_idx("mnist", str(tmp_path), ignore).decode(), mnist_splits(), strict=True
    ):
        assert_same(found, expected)


PLACES = [
    ("mnist", "."),
    ("mnist", "MNIST/raw"),  # torchvision's, below its root
    ("mnist", "raw"),
    ("fashion_mnist", "FashionMNIST/raw"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize(("image_set", "place"), PLACES)
def test_files_are_found_as_other_tools_name_and_place_them(
    image_set: str, place: str, dot: bool, packed: bool, tmp_path: Path
) -> None:
    named = {
        (name.replace("-idx", ".idx") if dot else name) + (".gz" if packed else ""): (
            gzip.compress(content) if packed else content
        )
        for name, content in mnist_files().items()
    }
    write(tmp_path / place, named)
    located = locate_idx(image_set, str(tmp_path), ignore)
    for found, expected in zip(located.decode(), mnist_splits(), strict=True):
        assert_same(found, expected)


def test_a_folder_in_the_home_of_nobody_is_one_line() -> None:
    with pytest.raises(ConfigError) as refused:
        locate_idx("mnist", "~no-such-user/mnist", ignore)
    assert str(refused.value) == (
        "task.data_dir=~no-such-user/mnist: there is no such home folder; write the path out"
    )


def test_the_registered_files_are_taken_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path)
    write_cifar10(tmp_path)
    for image_set in ("mnist", "cifar10"):
        register(monkeypatch, image_set, tmp_path, "https://example.org/")
    locate_idx("mnist", str(tmp_path), refuse)
    locate_cifar10(str(tmp_path), refuse)


def test_other_files_are_taken_with_one_line_that_names_them(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    lines: list[str] = []
    locate_idx("mnist", str(tmp_path), lines.append)
    assert len(lines) == 1 and "\n" not in lines[0]
    assert "not the registered original" in lines[0]
    assert "is right" not in lines[0]  # for nothing was decoded yet
    assert all(file.name in lines[0] for file in IMAGE_SETS["mnist"].files)


def test_only_the_file_that_differs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path)
    register(monkeypatch, "mnist", tmp_path, "https://example.org/")
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 9))
    lines: list[str] = []
    locate_idx("mnist", str(tmp_path), lines.append)
    assert "t10k-labels" in lines[0] and "train" not in lines[0]


@pytest.mark.parametrize("missing", [file.name for file in IMAGE_SETS["mnist"].files])
def test_a_missing_mnist_file_is_named_with_where_to_get_it(tmp_path: Path, missing: str) -> None:
    write_mnist(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(DataError, match=f"^{missing} not found in {tmp_path}.*https://.*{missing}"):
        locate_idx("mnist", str(tmp_path), ignore)


def test_a_truncated_mnist_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=f"{path} is damaged"):
        locate_idx("mnist", str(tmp_path), ignore).decode()


@pytest.mark.parametrize("place", [".", "cifar-10-batches-bin"])
def test_cifar10_records_are_read_here_or_in_their_folder(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, cifar10_files())
    lines: list[str] = []
    located = locate_cifar10(str(tmp_path), lines.append)
    assert len(lines) == 1 and "no registered sha256" in lines[0]
    for found, expected in zip(located.decode(), cifar10_splits(), strict=True):
        assert_same(found, expected)


def test_the_cifar10_archive_is_read(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    for found, expected in zip(
        locate_cifar10(str(tmp_path), ignore).decode(), cifar10_splits(), strict=True
    ):
        assert_same(found, expected)


def test_another_cifar10_archive_is_taken_with_one_line(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    lines: list[str] = []
    locate_cifar10(str(tmp_path), lines.append)
    assert len(lines) == 1 and "cifar-10-binary.tar.gz (sha256 " in lines[0]


def test_a_missing_record_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, cifar10_files())
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"^data_batch_4.bin not found"):
        locate_cifar10(str(tmp_path), ignore)


def test_a_damaged_record_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, cifar10_files())
    (tmp_path / "data_batch_4.bin").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match=f"data_batch_4.bin in {tmp_path} is damaged"):
        locate_cifar10(str(tmp_path), ignore).decode()


@pytest.mark.parametrize("position", [5000, 20_000, 40_000])
def test_a_damaged_archive_is_named(tmp_path: Path, position: int) -> None:
    write_cifar10(tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} is damaged"):
        locate_cifar10(str(tmp_path), ignore).decode()


def test_no_cifar10_at_all_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz not found.*https://.*sha256"):
        locate_cifar10(str(tmp_path / "nowhere"), ignore)


@pytest.mark.parametrize("locate", [partial(locate_idx, "mnist"), locate_cifar10])
def test_files_need_a_folder(locate: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match=r"needs task.data_dir"):
        locate("", ignore)


def test_the_files_to_download_are_read_by_their_paths(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    write_cifar10(tmp_path)
    for image_set, expected in (("mnist", mnist_splits()), ("cifar10", cifar10_splits())):
        paths = [tmp_path / file.name for file in IMAGE_SETS[image_set].files]
        for found, split in zip(read_originals(image_set, paths), expected, strict=True):
            assert_same(found, split)
