"""The cache: invisible but for the time it saves, whatever happens to its files."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asrnn.tasks.images import cache
from asrnn.tasks.images.sets import Located, Split
from tests.tasks.images.fakes import assert_same, fake_split

TRAIN, TEST = fake_split((4, 5, 3), 30, 0), fake_split((4, 5, 3), 10, 1)


class Decoder:
    """Counts how often the images are decoded."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[Split, Split]:
        self.calls += 1
        return TRAIN, TEST


def refuse(line: str) -> None:
    raise AssertionError(f"unexpected report: {line}")


def load(
    decoder: Decoder, report: Callable[[str], None] = refuse, fingerprint: str | None = "f"
) -> None:
    found = cache.decoded("cifar10", Located("", fingerprint, decoder), report)
    for split, expected in zip(found, (TRAIN, TEST), strict=True):
        assert_same(split, expected)


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_images_are_decoded_once() -> None:
    decoder = Decoder()
    for _ in range(3):
        load(decoder)
    assert decoder.calls == 1


def test_other_data_are_decoded_and_kept_beside(own_cache: Path) -> None:
    decoder = Decoder()
    load(decoder, fingerprint="one")
    load(decoder, fingerprint="two")
    assert decoder.calls == 2 and len(list(own_cache.iterdir())) == 2


def test_without_a_fingerprint_nothing_is_kept(own_cache: Path) -> None:
    load(Decoder(), fingerprint=None)
    assert not own_cache.exists()


def test_the_folder_and_the_file_are_the_users_alone(own_cache: Path) -> None:
    load(Decoder())
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_file(own_cache).stat().st_mode) == 0o600


def test_a_flipped_byte_anywhere_is_noticed_and_mended(own_cache: Path) -> None:
    load(Decoder())
    path = only_file(own_cache)
    whole = path.read_bytes()
    for position in (*range(90), *range(90, len(whole), 97), len(whole) - 1):
        damaged = bytearray(whole)
        damaged[position] ^= 0x01
        path.write_bytes(damaged)
        decoder, lines = Decoder(), list[str]()
        load(decoder, lines.append)
        assert decoder.calls == 1
        assert len(lines) == 1 and f"{path} is damaged" in lines[0]
        assert path.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 1, 8, 39, 40, 79, 80, 1000, -1])
def test_a_truncated_file_is_noticed_and_mended(own_cache: Path, length: int) -> None:
    load(Decoder())
    path = only_file(own_cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    decoder, lines = Decoder(), list[str]()
    load(decoder, lines.append)
    assert decoder.calls == 1 and len(lines) == 1
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_made_costs_one_line_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    lines: list[str] = []
    load(Decoder(), lines.append)
    assert len(lines) == 1 and "cannot keep decoded images" in lines[0]


def test_a_full_disk_costs_one_line_and_leaves_nothing_behind(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    lines: list[str] = []
    load(Decoder(), lines.append)
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert list(own_cache.iterdir()) == []


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ASRNN_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    load(Decoder())


def test_many_at_once_do_not_harm_each_other(own_cache: Path) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                load(Decoder())
                for path in own_cache.glob("cifar10-*"):
                    path.unlink(missing_ok=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASRNN_CACHE_DIR", "/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache.cache_dir() == Path("/chosen")
    monkeypatch.delenv("ASRNN_CACHE_DIR")
    assert cache.cache_dir() == Path("/xdg/asrnn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_dir() == Path("/home/me/.cache/asrnn")
