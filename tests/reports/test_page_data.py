"""What the charts draw: rows by part and over time, seeds together, trials on their scales."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asrnn.reports.page_data import by_setting, kept_rows, metric_data, run_data, sweep_data
from asrnn.reports.runs import read_run
from asrnn.reports.sweep import read_sweep
from tests.reports.workdirs import ROWS, write_run, write_sweep


def test_a_run_is_drawn_over_steps_examples_and_seconds(tmp_path: Path) -> None:
    rows = [row | {"examples_per_second": 64.0} if row["split"] == "train" else row for row in ROWS]
    overrides = {"training.batch_size": 16}
    run = read_run(write_run(tmp_path / "r", overrides, rows=rows), tmp_path)
    [data] = run_data([run])
    train, validation = data["parts"]["train"], data["parts"]["validation"]
    assert train["step"] == [20, 40] and train["loss"] == [2.0, 0.5]
    assert train["examples"] == [320, 640]
    assert train["seconds"] == validation["seconds"] == [5.0, 10.0]
    assert [metric["name"] for metric in metric_data(run)] == [
        *("accuracy", "loss", "examples_per_second")
    ]


def test_what_is_not_finite_is_nothing_to_json(tmp_path: Path) -> None:
    rows = [{"step": 1, "split": "train", "loss": float("inf"), "accuracy": None}]
    [data] = run_data([read_run(write_run(tmp_path / "r", rows=rows), tmp_path)])
    assert data["parts"]["train"]["loss"] == data["parts"]["train"]["accuracy"] == [None]
    json.dumps(data, allow_nan=False)


def test_of_many_rows_the_extremes_stay() -> None:
    rows = [{"step": i, "split": "train", "loss": 1.0} for i in range(5000)]
    rows[1234]["loss"], rows[4321]["loss"] = 9.0, -9.0
    kept = kept_rows(rows)
    assert len(kept) <= 1002
    assert {0, 1234, 4321, 4999} <= {row["step"] for row in kept}
    assert kept == sorted(kept, key=lambda row: row["step"])
    assert kept_rows(rows[:10]) == rows[:10]


def test_runs_that_differ_only_in_the_seed_are_one_setting(tmp_path: Path) -> None:
    for name, overrides in {
        "a": {"seed": 0},
        "b": {"seed": 1},
        "c": {"seed": 0, "model.step_size": 0.5},
    }.items():
        write_run(tmp_path / name, overrides)
    runs = [read_run(tmp_path / name, tmp_path) for name in "abc"]
    assert [[run.name for run in group] for group in by_setting(runs)] == [["a", "b"], ["c"]]
    assert [data["setting"] for data in run_data(runs)] == [0, 0, 1]


def test_seeds_keep_the_same_steps_so_that_a_mean_is_of_all_of_them(tmp_path: Path) -> None:
    for name, seed, length in (("a", 0, 4000), ("b", 1, 3000)):
        rows = [
            {"step": i, "split": "train", "loss": float(hash((i, seed)) % 97)}
            for i in range(length)
        ]
        write_run(tmp_path / name, {"seed": seed}, rows=rows)
    data = run_data([read_run(tmp_path / name, tmp_path) for name in "ab"])
    first, second = (set(run["parts"]["train"]["step"]) for run in data)
    assert len(first) <= 1002
    assert second - first <= {2999}
    assert len(first & second) >= 0.7 * len(first)


def test_trials_lie_on_the_scales_of_their_fields_the_best_on_top(tmp_path: Path) -> None:
    data = sweep_data(read_sweep(write_sweep(tmp_path), "s"))
    assert [field["label"] for field in data["fields"]] == [
        *("optimizer.name", "optimizer.learning_rate (log)", "model.step_size (log)")
    ]
    rate = data["fields"][1]
    assert rate["places"][2] == 1 and rate["places"][3] == 0
    assert rate["places"][1] == pytest.approx(1 / 3, abs=1e-3)
    assert data["scores"] == [80.0, 90.0, None, 60.0, None]
    assert data["score"]["places"] == [0.7, 1.0, 0.0, 0.1, 0.0]
    assert data["score"]["texts"][-1] == "none"
    assert data["best"] == [False, True, False, False, False]
    write_sweep(tmp_path / "empty", "id,status,steps,rung,validation_accuracy\n")
    assert sweep_data(read_sweep(tmp_path / "empty" / "sweep.csv", "s"))["fields"] == []


def test_less_may_be_better(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path, "id,status,steps,rung,validation_loss,seed\na,done,1,0,2,0\nb,done,1,0,1,1\n"
    )
    (tmp_path / "config.json").write_text('{"objective": {"name": "squared_error"}}')
    assert sweep_data(read_sweep(path, "s"))["score"]["places"] == [0.1, 1.0]
