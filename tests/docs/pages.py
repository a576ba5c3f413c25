"""The pages in docs/ as programs: their Python runs, and their commands give configs."""

from __future__ import annotations

import importlib
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from ml_collections import ConfigDict

from asrnn.config import base_config, changed, check_config, flatten
from asrnn.dynamics import CELLS, SCHEMES
from asrnn.objectives import OBJECTIVES
from asrnn.tasks import TASKS
from asrnn.tasks.images.tasks import IMAGE_TASKS

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"(In|add to|Add to) `asrnn/([a-z_/]+)\.py`:\n\n$")
TABLES: dict[str, dict[str, Any]] = {
    "CELLS": CELLS,
    "SCHEMES": SCHEMES,
    "TASKS": TASKS,
    "IMAGE_TASKS": IMAGE_TASKS,
    "OBJECTIVES": OBJECTIVES,
}


class Block(NamedTuple):
    """A code block of a page."""

    code: str
    new: str | None = None
    """The module that it is, if the text before it says so."""
    added_to: str | None = None
    """The module whose end it is, likewise."""


def blocks(page: str, language: str) -> list[Block]:
    """The code blocks of a page in a language."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    parts = re.split(r"```(\w+)\n(.*?)```\n", text, flags=re.DOTALL)
    found = []
    for before, its, code in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        if its == language:
            named = FILE.search(before)
            module = f"asrnn.{named[2].replace('/', '.')}" if named else None
            new = named is not None and named[1] == "In"
            found.append(Block(code, module if new else None, None if new else module))
    return found


@contextmanager
def tables_kept() -> Iterator[None]:
    """Leaves the tables of components as they were."""
    before = [dict(table) for table in TABLES.values()]
    try:
        yield
    finally:
        for table, entries in zip(TABLES.values(), before, strict=True):
            table.clear()
            table.update(entries)


def run(page: str, patch: pytest.MonkeyPatch) -> None:
    """Runs the Python of a page: a file that it names becomes a module, or is continued."""
    for block in blocks(page, "python"):
        module = ModuleType(block.new or f"block_of_{page}")
        if block.added_to is not None:
            vars(module).update(vars(importlib.import_module(block.added_to)))
        elif block.new is None:  # a line of a table's own file, or a user's script
            vars(module).update(TABLES)
        else:
            patch.setitem(sys.modules, block.new, module)
        exec(compile(block.code, f"docs/{page}.md", "exec"), vars(module))
        TASKS.update(IMAGE_TASKS)


def command_configs(page: str, **small: Any) -> list[ConfigDict]:
    """The configs of the commands on a page, each with a few fields changed to be small.

    Args:
      page: its name without its ending.
      **small: the fields to change; `__` stands for the dot.
    """
    sizes = {name.replace("__", "."): value for name, value in small.items()}
    return [_config(block.code, sizes) for block in blocks(page, "sh")]


def _config(command: str, sizes: dict[str, Any]) -> ConfigDict:
    python, flag, module, file, *words = shlex.split(command.replace("\\\n", ""))
    assert [python, flag, module] == ["python", "-m", "asrnn.train"]
    path = ROOT / file.removeprefix("--config=")
    config: ConfigDict = runpy.run_path(str(path))["get_config"]()
    defaults = flatten(base_config().to_dict())
    values = {}
    for word in words:
        field, value = word.removeprefix("--config.").split("=")
        values[field] = type(defaults[field])(value)
    config = changed(config, values | sizes)
    check_config(config)
    return config
