"""What docs/security.md claims of files that are not trusted; that page names these tests."""

from __future__ import annotations

import ast
import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asrnn.errors import AsrnnError, CheckpointError, DataError
from asrnn.files import parse_json
from asrnn.runs.workdir import CONFIG, read_config
from asrnn.tasks.images.originals import locate_cifar10, locate_idx
from asrnn.tasks.images.sets import IMAGE_SETS
from asrnn.tasks.npz import read_arrays
from asrnn.trained import load
from tests.tasks.images.fakes import cifar10_files, write_mnist
from tests.training.runs import REPOSITORY

PACKAGE = REPOSITORY / "asrnn"


def ignore(line: str) -> None:
    del line


class Evil:
    """Runs code of its own where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


@pytest.fixture(autouse=True)
def nothing_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "unpickled").exists()


def assert_one_line(error: AsrnnError, path: Path) -> None:
    assert str(path) in str(error)
    assert "\n" not in str(error)


# ---- no code runs from data


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "extract", "unpack_archive", "run_path", "exec_module"}
FILES_OF_THE_USER = {"sweeps/user_file.py"}
"""Where a file of the user is run, and is meant to be."""


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_nothing_is_unpickled_evaluated_or_unpacked_to_disk(file: Path) -> None:
    runs_code = str(file.relative_to(PACKAGE)) in FILES_OF_THE_USER
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            assert not {name.split(".")[0] for name in imported} & FORBIDDEN
        if isinstance(node, ast.Call):
            called = node.func
            method = isinstance(called, ast.Attribute) and called.attr in METHODS
            function = isinstance(called, ast.Name) and called.id in FUNCTIONS
            assert runs_code or not (method or function), ast.unparse(node)
            if ast.unparse(called) in ("np.load", "numpy.load"):
                allowed = [one.value for one in node.keywords if one.arg == "allow_pickle"]
                assert [ast.unparse(one) for one in allowed] == ["False"]


def test_a_pickled_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, inputs=np.array([Evil()], object), targets=np.zeros(1, int))
    with pytest.raises(DataError, match=r"not a readable .npz file of plain arrays") as refused:
        read_arrays(path)
    assert_one_line(refused.value, path)


def test_a_pickle_named_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="it is not a zip archive") as refused:
        read_arrays(path)
    assert_one_line(refused.value, path)


def test_python_in_a_workdir_is_not_run(tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    workdir.mkdir()
    for name in ("config.py", "sitecustomize.py", "conftest.py", "__init__.py", "space.py"):
        (workdir / name).write_text("import os\nos.mkdir('unpickled')\n")
    (workdir / CONFIG).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="is not a readable config"):
        load(workdir)


# ---- files that unpack to more than they should, or elsewhere


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / IMAGE_SETS["mnist"].files[1].name
    path.write_bytes(gzip.compress(bytes(10**8)))
    with pytest.raises(DataError, match="bytes expected in it, found more") as refused:
        locate_idx("mnist", str(tmp_path), ignore).decode()
    assert_one_line(refused.value, path)


def test_a_gzip_bomb_in_the_place_of_the_cifar_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / IMAGE_SETS["cifar10"].files[0].name
    path.write_bytes(gzip.compress(bytes(3 * 10**8), compresslevel=1))
    with pytest.raises(DataError, match="bytes expected in it, found more") as refused:
        locate_cifar10(str(tmp_path), ignore).decode()
    assert_one_line(refused.value, path)


@pytest.mark.parametrize("prefix", ["../../", "/tmp/", "cifar-10-batches-bin/../../../"])
def test_an_archive_that_leaves_its_folder_writes_nothing(prefix: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    path = folder / IMAGE_SETS["cifar10"].files[0].name
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in cifar10_files().items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(packed.getvalue())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="expected in it, not found") as refused:
        locate_cifar10(str(folder), ignore).decode()
    assert_one_line(refused.value, path)
    assert sorted(tmp_path.rglob("*")) == before


def npy(shape: str, data: bytes = b"", padding: int = 0) -> bytes:
    """An array of NumPy's format whose header claims a shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}" + " " * padding + "\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    "array",
    [
        npy("(1000000000000,)"),
        npy("(1000000000000000000000,)"),
        npy("(4000000000, 4000000000, 4000000000)"),
        npy("(-1,)"),
        npy("(8,)", bytes(4)),
        npy("(1,)", bytes(4), padding=200_000),
        npy("__import__('os').mkdir('unpickled')"),
        npy("(" * 5000),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
    ],
    ids=["4 TB", "overflow", "product", "negative", "short", "long", "code", "deep", "no header"],
)
def test_a_header_that_claims_too_much_is_refused(array: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inputs.npy", array)
    with pytest.raises(DataError, match=r"not a readable .npz file") as refused:
        read_arrays(path)
    assert_one_line(refused.value, path)


def test_an_npz_of_more_than_the_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, inputs=np.zeros((2**22,), np.float32))
    little = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1024}
    monkeypatch.setattr(os, "sysconf", little.__getitem__)
    with pytest.raises(DataError, match="it unpacks to 0 GiB, this machine has 0"):
        read_arrays(path)


DEEP = "[" * 100_000


def test_json_that_is_nested_too_deeply_is_an_error_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(DEEP)
    (tmp_path / CONFIG).write_text(DEEP)
    with pytest.raises(
        CheckpointError, match=r"is not a readable config .it is nested too"
    ) as read:
        read_config(tmp_path / CONFIG)
    assert "\n" not in str(read.value)
