"""The pages on adding a cell and a scheme: their code runs, and what it adds trains."""

from __future__ import annotations

import importlib
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from asrnn.config import check_config
from asrnn.dynamics import CELLS, SCHEMES, make_cell
from asrnn.errors import ConfigError
from asrnn.runs.metrics import read_rows
from asrnn.training.loop import train_and_evaluate

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"In `asrnn/([a-z_/]+)\.py`:\n\n$")
TABLES: tuple[dict[str, Any], ...] = (CELLS, SCHEMES)


def blocks(page: str, language: str) -> list[tuple[str | None, str]]:
    """The code blocks of a page, each with the module that the text before it names."""
    parts = re.split(r"```(\w+)\n(.*?)```\n", (DOCS / f"{page}.md").read_text(), flags=re.DOTALL)
    found = []
    for before, its, code in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        if its == language:
            named = FILE.search(before)
            found.append((f"asrnn.{named[1].replace('/', '.')}" if named else None, code))
    return found


def run(page: str, patch: pytest.MonkeyPatch) -> None:
    """Runs the Python of a page: a file that it names becomes a module."""
    for name, code in blocks(page, "python"):
        module = ModuleType(name or f"block_of_{page}")
        exec(compile(code, f"docs/{page}.md", "exec"), _with_tables(module, name))
        if name is not None:
            patch.setitem(sys.modules, name, module)


def _with_tables(module: ModuleType, name: str | None) -> dict[str, Any]:
    if name is None:  # a line of a table's own file
        vars(module).update(CELLS=CELLS, SCHEMES=SCHEMES)
    return vars(module)


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """Leaves the tables as they were."""
    before = [dict(table) for table in TABLES]
    yield
    for table, entries in zip(TABLES, before, strict=True):
        table.clear()
        table.update(entries)


def command_config(page: str) -> ConfigDict:
    """The config of the command on a page, for two updates."""
    ((_, code),) = blocks(page, "sh")
    words = shlex.split(code.replace("\\\n", ""))
    assert words[:4] == ["python", "-m", "asrnn.train", "--config=configs/digits.py"]
    config: ConfigDict = runpy.run_path(str(DOCS.parent / "configs" / "digits.py"))["get_config"]()
    for word in words[4:]:
        field, value = word.removeprefix("--config.").split("=")
        own = config.model[field.removeprefix("model.")]
        config.update_from_flattened_dict({field: type(own)(value)})
    config.update_from_flattened_dict(
        {"model.hidden_size": 8, "training.steps": 4, "training.log_every": 2}
    )
    check_config(config)
    return config


@pytest.mark.parametrize(
    ("page", "added"),
    [("adding-a-cell", ["oscillator", "relu"]), ("adding-a-scheme", ["averaged", "leaky", "imex"])],
)
def test_the_code_of_a_page_runs_and_what_it_adds_trains(
    page: str, added: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(page, monkeypatch)
    assert all(name in CELLS or name in SCHEMES for name in added)
    summary = train_and_evaluate(command_config(page), tmp_path / "run")
    assert (summary["status"], summary["steps"]) == ("done", 4)
    losses = [row["loss"] for row in read_rows(tmp_path / "run" / "metrics.jsonl")]
    assert losses
    assert np.isfinite(losses).all()


def test_a_scheme_that_asks_more_fits_the_cell_that_offers_it_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("adding-a-scheme", monkeypatch)
    assert make_cell("leaky", "imex").options[:4] == CELLS["leaky"].options
    with pytest.raises(ConfigError, match="imex goes with leaky"):
        make_cell("antisymmetric", "imex")


@pytest.mark.parametrize("page", ["adding-a-cell", "adding-a-scheme"])
def test_a_page_names_files_that_would_be_new_in_folders_that_are_there(page: str) -> None:
    (name,) = [name for name, _ in blocks(page, "python") if name is not None]
    folder, _, file = name.rpartition(".")
    paths = importlib.import_module(folder).__path__
    assert not (Path(paths[0]) / f"{file}.py").exists()
