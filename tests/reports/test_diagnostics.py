"""The page draws gradients through time and exponents of the runs that recorded them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from asrnn.reports.chart import HEIGHT, TOP
from asrnn.reports.diagnostics import (
    diagnostics,
    diagnostics_of_run,
    exponent_axis,
    gradient_axis,
)
from asrnn.reports.page import make_page
from asrnn.reports.runs import Run, read_run
from tests.reports.test_page import Outline
from tests.reports.workdirs import ROWS, SUMMARY, write_run


def row(step: int, first: float | None, exponent: float | None, suffix: str = "") -> dict[str, Any]:
    return {
        "step": step,
        "split": "diagnostics",
        f"gradient_first{suffix}": first,
        f"gradient_middle{suffix}": 0.01,
        f"gradient_last{suffix}": 0.1,
        f"lyapunov{suffix}": exponent,
    }


EXAMINED = [row(0, 1e-20, -0.07), row(20, 1e-3, -0.002), row(40, 0.2, 0.004)]


def run_with(folder: Path, rows: list[dict[str, Any]], **summary: Any) -> Run:
    return read_run(write_run(folder, {}, SUMMARY | summary, rows), folder.parent)


def heights(made: str, title: str) -> list[float]:
    """The vertical places of a line, from the top of the picture down."""
    (path,) = re.findall(rf"<title>{title}</title><path[^>]* d=\"M([^\"]*)\"", made)
    return [float(place.split()[1]) for place in path.split("L")]


def test_a_run_has_a_chart_of_three_norms_and_one_of_the_exponent(tmp_path: Path) -> None:
    made = diagnostics_of_run(run_with(tmp_path / "r", ROWS + EXAMINED))
    assert made.count('class="chart"') == 2
    assert 'aria-label="Norms of the gradients through time of r over steps"' in made
    assert 'aria-label="Largest Lyapunov exponent of r over steps"' in made
    for text in ("after the first step", "in the middle", "after the last step"):
        assert made.count(f"gradient {text}") == 2  # the line, and the legend
    first, last = heights(made, "gradient after the first step"), heights(made, "exponent")
    assert first == sorted(first, reverse=True) and last == sorted(last, reverse=True)
    assert all(TOP <= y <= HEIGHT for y in first + last)
    # On a logarithmic axis 1e-20 -> 1e-3 -> 0.2 go by 17 and by 2.3 decades.
    rises = [first[0] - first[1], first[1] - first[2]]
    assert rises[0] / rises[1] == pytest.approx(17 / math.log10(200), rel=0.02)
    zero = heights(made, "neither grows nor shrinks")
    assert zero[0] == zero[1]
    assert last[1] > zero[0] > last[2]


def test_each_layer_has_its_charts(tmp_path: Path) -> None:
    rows = [one | row(one["step"], 1e-5, 0.01, "_2") for one in EXAMINED]
    made = diagnostics_of_run(run_with(tmp_path / "r", ROWS + rows))
    assert made.count('class="chart"') == 4
    assert "Largest Lyapunov exponent of layer 2 of r over steps" in made
    assert made.count("legend") == 1


def test_what_is_not_finite_or_zero_spoils_nothing(tmp_path: Path) -> None:
    rows = [row(0, None, None), row(20, 0.0, None), row(40, 0.0, None)]
    made = diagnostics_of_run(run_with(tmp_path / "r", ROWS + rows))
    assert "nan" not in made and "inf" not in made
    assert "<title>exponent</title>" not in made


def test_runs_without_such_rows_have_no_section(tmp_path: Path) -> None:
    run = run_with(tmp_path / "all" / "plain", ROWS)
    assert diagnostics([run]) == ""
    assert "gradients-title" not in make_page(tmp_path / "all")
    run_with(tmp_path / "all" / "examined", ROWS + EXAMINED)
    page = Outline(make_page(tmp_path / "all"))
    assert "#gradients" in page.all("href") and "gradients" in page.all("id")
    assert "Gradients through time" in page.text


def test_many_runs_are_folded_away(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / f"r{i}", ROWS + EXAMINED) for i in range(8)]
    made = diagnostics(runs)
    assert (made.count("<h3>"), made.count("<details")) == (6, 2)


def test_a_run_that_has_come_to_no_other_row_has_no_learning_curve(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {}, None, EXAMINED[:1])
    write_run(tmp_path / "b")
    made = make_page(tmp_path)
    assert "No curve, because there is no row yet: a (unfinished at step 0)." in made
    assert "Norms of the gradients through time of a over steps" in made


def test_the_axes_hold_what_they_should() -> None:
    axis = gradient_axis("", [1e-60, 1e-3, 10.0])
    assert axis.log and 1e-40 < axis.low < 1e-38 and 10 < axis.high < 20
    narrow = gradient_axis("", [0.5, 0.6])
    assert narrow.high / narrow.low == pytest.approx(10)
    for values in ([], [0.0], [-0.07, 0.004], [0.2, 0.3], [-5.0]):
        axis = exponent_axis("", values)
        assert axis.low < min([0.0, *values]) <= max([0.0, *values]) < axis.high
        assert any(abs(tick) < 1e-12 for tick in axis.ticks())
