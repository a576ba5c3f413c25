"""The field that decides the score has the largest share, whatever its values are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest

from asrnn.reports.importance import importance, importance_line
from asrnn.reports.sweep import Entry, TrialTable, Value

pytest.importorskip("optuna", reason="needs the extra optuna")

RATES: Sequence[Value] = [1e-3, 1e-2, 1e-1]
CELLS: Sequence[Value] = ["lstm", "gru", None]


def table(score: Callable[[Value, Value], float | None], status: str = "done") -> TrialTable:
    """A trial for each rate, cell and two seeds."""
    entries = [
        Entry(f"{i}{j}{seed}", status, "9", "9", score(rate, cell), values)
        for i, rate in enumerate(RATES)
        for j, cell in enumerate(CELLS)
        for seed in (0.0, 1.0)
        if (values := {"optimizer.learning_rate": rate, "model.cell": cell, "seed": seed})
    ]
    return TrialTable("sweep", entries, ["optimizer.learning_rate", "model.cell", "seed"], {})


def test_a_field_of_numbers_that_decides_has_nearly_all_and_seeds_have_no_share() -> None:
    shares = importance(table(lambda rate, cell: RATES.index(rate) + 0.01 * CELLS.index(cell)))
    assert list(shares) == ["optimizer.learning_rate", "model.cell"]
    assert shares["optimizer.learning_rate"] > 0.9
    assert sum(shares.values()) <= 1


def test_what_only_both_fields_decide_is_the_share_of_neither() -> None:
    both = table(lambda rate, cell: float((RATES.index(rate) + CELLS.index(cell)) % 3 == 0))
    assert sum(importance(both).values()) < 0.7


def test_settings_that_were_not_trained_for_as_long_are_not_compared() -> None:
    whole = table(lambda rate, cell: RATES.index(rate))
    rungs = [entry._replace(rung=entry.id[0]) for entry in whole.entries]
    assert importance(whole._replace(entries=rungs)) == {}
    assert importance(table(lambda rate, cell: RATES.index(rate), "pruned")) == {}


def test_so_has_one_of_names_and_of_what_is_not_set() -> None:
    assert importance(table(lambda rate, cell: CELLS.index(cell)))["model.cell"] > 0.9


def test_the_line_names_the_fields_as_tables_do() -> None:
    line = importance_line(table(lambda rate, cell: RATES.index(rate)))
    assert line is not None
    assert line.startswith("share of the variance that each field decides by itself: learning_rate")
    assert ", cell " in line


def test_nothing_is_said_of_equal_scores_few_settings_or_divergence() -> None:
    assert importance(table(lambda rate, cell: 0.5)) == {}
    assert importance(table(lambda rate, cell: 0.5 if rate == 0.1 else None)) == {}
    assert importance_line(table(lambda rate, cell: RATES.index(rate), "diverged")) is None


def test_without_optuna_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert importance(table(lambda rate, cell: RATES.index(rate))) == {}
