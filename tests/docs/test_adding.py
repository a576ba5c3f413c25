"""The pages on adding a cell and a scheme: their code runs, and what it adds trains."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asrnn.dynamics import CELLS, SCHEMES, make_cell
from asrnn.errors import ConfigError
from asrnn.runs.metrics import read_rows
from asrnn.training.loop import train_and_evaluate
from tests.docs.pages import blocks, command_configs, run, tables_kept

SMALL = {"model__hidden_size": 8, "training__steps": 4, "training__log_every": 2}


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with tables_kept():
        yield


@pytest.mark.parametrize(
    ("page", "added"),
    [
        ("adding-a-cell", ["oscillator", "relu"]),
        pytest.param("adding-a-scheme", ["averaged", "leaky", "imex"], marks=pytest.mark.slow),
    ],
)
def test_the_code_of_a_page_runs_and_what_it_adds_trains(
    page: str, added: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(page, monkeypatch)
    assert all(name in CELLS or name in SCHEMES for name in added)
    (config,) = command_configs(page, **SMALL)
    summary = train_and_evaluate(config, tmp_path / "run")
    assert (summary["status"], summary["steps"]) == ("done", 4)
    losses = [row["loss"] for row in read_rows(tmp_path / "run" / "metrics.jsonl")]
    assert losses
    assert np.isfinite(losses).all()


def test_a_scheme_that_asks_more_fits_the_cell_that_offers_it_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("adding-a-scheme", monkeypatch)
    assert make_cell("leaky", "imex").options[:4] == CELLS["leaky"].options
    with pytest.raises(ConfigError, match=r"imex goes with .*leaky"):
        make_cell("antisymmetric", "imex")


@pytest.mark.parametrize("page", ["adding-a-cell", "adding-a-scheme", "adding-a-task"])
def test_a_page_names_files_that_would_be_new_in_folders_that_are_there(page: str) -> None:
    (name,) = [block.new for block in blocks(page, "python") if block.new is not None]
    folder, _, file = name.rpartition(".")
    paths = importlib.import_module(folder).__path__
    assert not (Path(paths[0]) / f"{file}.py").exists()
