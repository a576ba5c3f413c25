"""Reproduced tables beside the paper's numbers; what nobody ran stays empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, ConfigError
from asrnn.reports.page_tables import Cell, Table
from asrnn.reports.results import results_figures, results_tables

ROW: dict[str, Any] = {
    "table": "table1",
    "task": "mnist",
    "cell": "antisymmetric",
    "method": "AntisymmetricRNN",
    "paper": 98.0,
    "mean": 97.834,
    "std": 0.117,
    "seeds": [0, 1],
    "num_parameters": 10186,
    "steps": 50000,
    "seconds": 90.0,
    "hardware": "cpu (2 cores)",
    "command": "python -m asrnn.train --config=a&b",
}


def table_of(folder: Path, *rows: dict[str, Any], name: str = "table1") -> Table:
    (folder / f"{name}.json").write_text(json.dumps(rows))
    [made] = results_tables(folder)
    return made


def test_a_row_has_the_papers_number_ours_and_how_it_came_about(tmp_path: Path) -> None:
    [row] = table_of(tmp_path, ROW).rows
    assert [cell.content for cell in row] == [
        *("AntisymmetricRNN", "mnist", "98.0", "97.83 ± 0.12", "0, 1", "10,186", "50,000", "1m30s"),
        *("cpu (2 cores)", "python -m asrnn.train --config=a&b"),
    ]
    [row] = table_of(tmp_path, ROW | {"std": None, "seeds": 1}, name="table1").rows
    assert row[3] == Cell("97.83", 97.834)


def test_a_row_that_nobody_ran_is_empty_and_a_cited_one_says_so(tmp_path: Path) -> None:
    blank = dict.fromkeys(["mean", "std", "seeds", "seconds", "hardware", "command"])
    made = table_of(tmp_path, ROW | blank, ROW | blank | {"cited": True}, name="table1-quick")
    assert [row[3] for row in made.rows] == [Cell(), Cell("cited")]
    assert made.rows[0][7:] == [Cell(), Cell(), Cell()]
    assert made.caption == "table1 quick"


@pytest.mark.parametrize(
    "content", ["{", "{}", "[1]", '[{"method": "x"}]', json.dumps([ROW | {"mean": "good"}])]
)
def test_a_damaged_table_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "table2.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"table2.json is not a table of results \(.+\); make it"
    ):
        results_tables(tmp_path)


def test_figures_are_shown_below_their_names(tmp_path: Path) -> None:
    (tmp_path / "figure_1.png").write_bytes(b"\x89PNG")
    assert results_figures(tmp_path) == [("figure 1", "iVBORw==")]


def test_what_only_looks_like_a_figure_is_refused(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(b"<svg>")
    with pytest.raises(CheckpointError, match=r"figure.png is not a PNG"):
        results_figures(tmp_path)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--results=.*gone is not a folder"):
        results_tables(tmp_path / "gone")
