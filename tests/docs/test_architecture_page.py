"""The page on the architecture names what is there."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGE = ROOT / "asrnn"
FILES = {path.name for path in PACKAGE.rglob("*") if path.is_file()} | {"test_architecture.py"}
FOLDERS = {path.name for path in PACKAGE.rglob("*") if path.is_dir()} | {"golden"}


def in_code(ending: str) -> list[str]:
    """The names in code style with an ending, without the folders that they are in."""
    found = re.findall(rf"`([\w/.]+{re.escape(ending)})`", PAGE)
    return sorted({name.removesuffix("/").rpartition("/")[2] for name in found})


@pytest.mark.parametrize("name", in_code(".py") + in_code(".cuh"))
def test_a_file_that_is_named_is_there(name: str) -> None:
    assert name in FILES


@pytest.mark.parametrize("name", in_code("/"))
def test_a_folder_that_is_named_is_there(name: str) -> None:
    assert name in FOLDERS | {"asrnn"}


def test_every_room_is_named() -> None:
    rooms = {
        path.name + ("/" if path.is_dir() else "")
        for path in PACKAGE.iterdir()
        if path.name not in ("__pycache__", "py.typed", "__init__.py", "__main__.py")
    }
    assert not {room for room in rooms if f"`{room}`" not in PAGE}
