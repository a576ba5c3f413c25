"""Runs in the terminal: which are listed, in which order, and what of them fits."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from asrnn.errors import ConfigError
from asrnn.reports.run_list import (
    as_json,
    asked_for,
    comparison,
    filtered,
    listing,
    ordered,
    read_runs,
)
from asrnn.reports.runs import Run
from tests.reports.workdirs import (
    ROWS,
    SUMMARY,
    SWEEP_CSV,
    write_diverged,
    write_run,
    write_sweep,
)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    write_run(tmp_path / "[red]plain", {"model.step_size": 0.5})
    write_run(tmp_path / "lstm", {"model.cell": "lstm"}, rows=ROWS[:2])
    write_diverged(tmp_path / "lost", {"optimizer.learning_rate": 9.0})
    loss = [{"step": 9, "split": "validation", "loss": 0.5}]
    write_run(
        tmp_path / "adding",
        {"task.name": "adding", "objective.name": "squared_error"},
        summary=None,
        rows=loss,
    )
    return read_runs(tmp_path)[0]


def names(runs: list[Run]) -> list[str]:
    return [run.name for run in runs]


def lines(table: Table, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), markup=False)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_trials_of_a_sweep_are_left_out_and_counted(tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    write_run(tmp_path / "sweep" / "aa")
    write_sweep(tmp_path / "sweep")
    found, left_out = read_runs(tmp_path)
    assert (names(found), left_out) == (["one"], 1)
    assert len(read_runs(tmp_path, trials=True)[0]) == 2
    assert names(read_runs(tmp_path / "sweep")[0]) == ["aa"]


def test_a_trial_that_its_sweep_has_ended_early_is_pruned(tmp_path: Path) -> None:
    for trial in ("aa", "bb"):
        write_run(tmp_path / trial, summary=SUMMARY | {"status": "stopped", "steps": 20})
    write_sweep(tmp_path, SWEEP_CSV.replace("bb,done", "bb,pruned"))
    status = {run.name: run.status for run in read_runs(tmp_path)[0]}
    assert status["bb"] == "pruned"
    assert status["aa"] != "pruned"


def test_a_damaged_table_of_a_sweep_hides_no_trial(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "aa")
    write_sweep(tmp_path / "sweep", "")
    told: list[str] = []
    found, _ = read_runs(tmp_path, trials=True, tell=told.append)
    assert names(found) == ["sweep/aa"]
    [line] = told
    assert line.startswith("which trials were pruned is not known: ") and "sweep.csv" in line


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (["cell=lstm"], ["lstm"]),
        (["model.cell!=lstm", "status=done"], ["[red]plain"]),
        (["step_size=0.50"], ["[red]plain"]),
        (["validation>0.5"], ["[red]plain"]),
        (["learning_rate>=9"], ["lost"]),
        (["test=-"], ["adding", "lost"]),
        (["init_from=", "init_from=-", "cell=lstm"], ["lstm"]),
    ],
)
def test_filters_choose_by_columns_and_config_fields(
    filters: list[str], kept: list[str], runs: list[Run]
) -> None:
    assert sorted(names(filtered(runs, filters))) == sorted(kept)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lstm", "--filter=lstm is not a condition; for example"),
        ("cel=lstm", "no run has a field 'cel'; did you mean 'cell'"),
        ("beta=1", "no run has a field 'beta'|several fields"),
        ("steps>many", "only numbers can be compared by < and >, found 'many'"),
    ],
)
def test_a_filter_that_cannot_be_used_is_said(text: str, words: str, runs: list[Run]) -> None:
    runs = [run._replace(config=run.config | {"a.beta": 1, "b.beta": 1}) for run in runs]
    with pytest.raises(ConfigError, match=words):
        filtered(runs, [text])


def test_scores_are_best_first_within_a_task_and_others_rise(runs: list[Run]) -> None:
    assert names(ordered(runs, "validation")) == ["adding", "[red]plain", "lost", "lstm"]
    assert names(ordered(runs, "steps"))[:2] == ["adding", "lost"]
    assert names(ordered(runs, "learning_rate"))[-1] == "lost"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_as_many_columns_as_fit_and_none_is_cut(width: int, runs: list[Run]) -> None:
    shown = lines(listing(ordered(runs, "validation"), width), width)
    assert len(shown) == 1 + len(runs)
    assert shown[2].split()[:4] == ["[red]plain", "done", "90.00%", "88.00%"]
    assert all(len(line) <= width for line in shown)
    assert ("time" in shown[0]) == (width == 100)


def test_the_task_comes_before_other_columns_where_it_differs(runs: list[Run]) -> None:
    narrow = lines(listing(runs, 50), 50)
    assert narrow[0].split() == ["name", "status", "validation", "task"]
    one_task = [run for run in runs if run.task == "digits"]
    assert "task" not in lines(listing(one_task, 50), 50)[0]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_what_is_sorted_and_filtered_by_is_a_column(width: int, runs: list[Run]) -> None:
    filters = ["model.cell!=gru", "learning_rate>0"]
    asked = asked_for(runs, filters, "steps")
    assert asked == ["cell", "optimizer.learning_rate", "steps"]
    one_task = [run for run in filtered(runs, filters) if run.task == "digits"]
    shown = lines(listing(one_task, width, asked), width)
    assert {"learning_rate", "steps", "cell"} <= set(shown[0].split())
    assert any("9.0" in line.split() for line in shown)
    assert all(len(line) <= width for line in shown)


def test_a_comparison_has_only_what_differs_best_first(runs: list[Run]) -> None:
    shown = lines(comparison([run for run in runs if run.name != "adding"], 100), 100)
    assert shown[0].split() == ["[red]plain", "lost", "lstm"]
    assert [line.split() for line in shown if "step_size" in line] == [
        ["model.step_size", "0.5", "0.01", "0.01"]
    ]
    assert not any("hidden_size" in line for line in shown)
    narrow = lines(comparison(runs, 60), 60)
    assert "more do not fit" in narrow[-1]


def test_json_has_plain_values(runs: list[Run]) -> None:
    [plain] = [one for one in as_json(runs) if one["name"] == "[red]plain"]
    assert (plain["validation"], plain["metric"], plain["time"]) == (0.9, "accuracy", 90.5)
    assert plain["config"]["model.step_size"] == 0.5
