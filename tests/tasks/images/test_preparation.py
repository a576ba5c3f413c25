"""Preparing: once, verified, without TensorFlow, and by one process at a time."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from asrnn.errors import ConfigError, DataError
from asrnn.tasks import prepare_task
from asrnn.tasks.images.sources import load_image_set
from tests.tasks.images.fakes import assert_same, mnist_splits, register, write_cifar10, write_mnist


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small files that are the registered ones for the time of a test."""
    folder = tmp_path / "raw"
    write_mnist(folder)
    write_cifar10(folder)
    for image_set in ("mnist", "cifar10"):
        register(monkeypatch, image_set, folder, "https://example.org/")
    return folder


def test_a_folder_of_original_files_becomes_a_dataset(
    raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    folder = prepare_task("mnist", str(tmp_path / "data"), str(raw), report=lines.append)
    assert folder == str(tmp_path / "data" / "mnist" / "3.0.1")
    assert lines == [f"preparing mnist in {folder}", f"prepared mnist in {folder}"]
    found = load_image_set("mnist", "tfds", str(tmp_path / "data"), report=lines.append)
    for split, expected in zip(found[:2], mnist_splits(), strict=True):
        assert_same(split, expected)
    assert "tensorflow" not in sys.modules
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("task", "folder"), [("pmnist", "mnist/3.0.1"), ("noise_padded_cifar10", "cifar10/3.0.2")]
)
def test_tasks_with_the_same_images_share_the_dataset(
    prepared_root: Path, task: str, folder: str
) -> None:
    lines: list[str] = []
    found = prepare_task(task, str(prepared_root), "/nowhere", report=lines.append)
    assert found == str(prepared_root / folder)
    assert len(lines) == 1 and "already prepared" in lines[0]


def test_the_stock_builder_stays_registered(raw: Path, tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    prepare_task("mnist", str(tmp_path / "data"), str(raw), report=lambda line: None)
    assert tfds.builder_cls("mnist") is tfds.image_classification.MNIST


def test_a_missing_file_is_said_before_anything_is_written(raw: Path, tmp_path: Path) -> None:
    (raw / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"^t10k-images-idx3-ubyte.gz not found"):
        prepare_task("mnist", str(tmp_path / "data"), str(raw), report=lambda line: None)
    assert not (tmp_path / "data" / "mnist").exists()


def test_a_repacked_archive_is_referred_to_the_source_files(raw: Path, tmp_path: Path) -> None:
    path = raw / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"not the registered file.*source=files"):
        prepare_task("cifar10", str(tmp_path / "data"), str(raw), report=lambda line: None)


def test_without_a_folder_and_a_network_the_file_and_its_address_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot download train-images.*https://storage"):
        prepare_task("mnist", str(tmp_path / "data"), None, report=lambda line: None)


def test_a_data_dir_that_cannot_be_written_is_said(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=f"cannot prepare mnist in {tmp_path}/file/data") as caught:
        prepare_task("mnist", str(tmp_path / "file" / "data"), str(raw), report=lambda line: None)
    assert "\n" not in str(caught.value)


def test_a_part_of_a_dataset_is_not_taken_for_a_whole_one(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=f"{folder} is an incomplete dataset; remove"):
        prepare_task("mnist", str(tmp_path / "data"), str(raw), report=lambda line: None)


def test_the_digits_have_nothing_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing to prepare"):
        prepare_task("digits", str(tmp_path), None)


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'mnist'"):
        prepare_task("mnits", str(tmp_path), None)


SECOND_PROCESS = """
import sys, pytest, pathlib
from asrnn.tasks import prepare_task
from tests.tasks.images.fakes import register
data, raw = sys.argv[1:]
with pytest.MonkeyPatch.context() as patch:
    register(patch, "mnist", pathlib.Path(raw), "https://example.org/")
    prepare_task("mnist", data, raw, report=lambda line: print(line, flush=True))
"""


def test_of_two_processes_one_prepares_and_the_other_finds_it_done(
    raw: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    command = [sys.executable, "-c", SECOND_PROCESS, str(data), str(raw)]
    with (data / ".asrnn-mnist.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in both:  # both have arrived when both say that they wait
            assert process.stdout is not None
            assert "waiting for another process" in process.stdout.readline()
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    folder = data / "mnist" / "3.0.1"
    prepared = f"preparing mnist in {folder}\nprepared mnist in {folder}\n"
    assert sorted(said) == sorted(
        [prepared, f"mnist was prepared by another process in {folder}\n"]
    )
    assert [path.name for path in (data / "mnist").iterdir()] == ["3.0.1"]
