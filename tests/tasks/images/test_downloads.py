"""Downloads: only the registered bytes ever get their final name."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from asrnn.errors import DataError
from asrnn.tasks.images.downloads import check_folder, fetch
from asrnn.tasks.images.sets import IMAGE_SETS
from tests.tasks.images.fakes import register, write_mnist


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the registered MNIST files, served by HTTP at their registered addresses."""
    folder = tmp_path / "served"
    write_mnist(folder)
    handler = partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        register(monkeypatch, "mnist", folder, f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_are_downloaded(served: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    fetch("mnist", tmp_path / "downloads", lines.append)
    assert contents(tmp_path / "downloads") == contents(served)
    assert len(lines) == 4
    check_folder("mnist", tmp_path / "downloads")


def test_what_is_there_is_not_downloaded_again_and_what_is_damaged_is(
    served: Path, tmp_path: Path
) -> None:
    fetch("mnist", tmp_path / "downloads", lambda line: None)
    (tmp_path / "downloads" / "train-labels-idx1-ubyte.gz").write_bytes(b"half")
    lines: list[str] = []
    fetch("mnist", tmp_path / "downloads", lines.append)
    assert len(lines) == 1 and "train-labels" in lines[0]
    assert contents(tmp_path / "downloads") == contents(served)


@pytest.mark.parametrize("content", [b"", b"other", bytes(100_000)])
def test_other_content_is_refused_and_not_kept(
    served: Path, tmp_path: Path, content: bytes
) -> None:
    file = IMAGE_SETS["mnist"].files[0]
    (served / file.name).write_bytes(content)
    expected = f"^{file.url} did not send .*{file.sha256} expected.*--raw_dir"
    with pytest.raises(DataError, match=expected):
        fetch("mnist", tmp_path / "downloads", lambda line: None)
    assert contents(tmp_path / "downloads") == {}


def test_a_file_that_the_server_lacks_is_said(served: Path, tmp_path: Path) -> None:
    file = IMAGE_SETS["mnist"].files[0]
    (served / file.name).unlink()
    with pytest.raises(DataError, match=f"cannot download {file.name} .*404.*{file.sha256}"):
        fetch("mnist", tmp_path / "downloads", lambda line: None)


def test_no_network_is_said_with_what_to_do(tmp_path: Path) -> None:
    expected = r"cannot download train-images-.* from https://.*sha256 440fcabf.*--raw_dir"
    with pytest.raises(DataError, match=expected) as caught:
        fetch("mnist", tmp_path, lambda line: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", range(4))
def test_a_file_missing_from_a_folder_is_named_with_its_address(served: Path, number: int) -> None:
    file = IMAGE_SETS["mnist"].files[number]
    (served / file.name).unlink()
    with pytest.raises(DataError, match=f"^{file.name} not found.*{file.url}.*{file.sha256}"):
        check_folder("mnist", served)


@pytest.mark.parametrize("same_size", [True, False])
def test_a_changed_file_in_a_folder_is_named_with_what_was_expected(
    served: Path, same_size: bool
) -> None:
    file = IMAGE_SETS["mnist"].files[1]
    content = bytearray((served / file.name).read_bytes())
    content[-1] ^= 1
    (served / file.name).write_bytes(content if same_size else content[:-1])
    expected = f"{file.name} is not the registered file: .*{file.sha256}.*{file.url}.*source=files"
    with pytest.raises(DataError, match=expected):
        check_folder("mnist", served)
