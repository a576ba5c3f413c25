"""Reproduced tables beside the paper's numbers; what nobody ran stays empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, ConfigError
from asrnn.reports.results_section import results_figures, results_tables

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


def table_of(folder: Path, *rows: dict[str, Any], name: str = "table1") -> str:
    (folder / f"{name}.json").write_text(json.dumps(rows))
    [made] = results_tables(folder)
    return made


def test_a_row_has_the_papers_number_ours_and_how_it_came_about(tmp_path: Path) -> None:
    made = table_of(tmp_path, ROW)
    for text in ("98.0", "97.83 ± 0.12", "0, 1", "10,186", "50,000", "1m30s", "cpu (2 cores)"):
        assert f">{text}</td>" in made
    assert "<code>python -m asrnn.train --config=a&amp;b</code>" in made


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    assert ">97.83</td>" in table_of(tmp_path, ROW | {"std": None, "seeds": 1})


def test_a_row_that_nobody_ran_is_empty_and_a_cited_one_says_so(tmp_path: Path) -> None:
    blank = dict.fromkeys(["mean", "std", "seeds", "seconds", "hardware", "command"])
    made = table_of(tmp_path, ROW, ROW | blank, ROW | blank | {"cited": True})
    assert made.count(">98.0</td>") == 3
    assert made.count('<td class="number">\N{EN DASH}</td>') == 3  # ours once, time twice
    assert ">cited</td>" in made


def test_a_quick_table_keeps_its_name(tmp_path: Path) -> None:
    assert "<h3>table1 quick</h3>" in table_of(tmp_path, ROW, name="table1-quick")


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
    (tmp_path / "figure_1.png").write_bytes(b"\x89PNG...")
    [made] = results_figures(tmp_path)
    assert made.startswith("<h3>figure 1</h3>") and 'alt="Figure: figure 1"' in made


def test_what_only_looks_like_a_figure_is_refused(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(b"<svg>")
    with pytest.raises(CheckpointError, match=r"figure.png is not a PNG"):
        results_figures(tmp_path)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--results=.*gone is not a folder"):
        results_tables(tmp_path / "gone")
