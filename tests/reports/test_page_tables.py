"""What the tables of the page say of runs, seeds, trials and machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asrnn.reports.page_tables import (
    Cell,
    Table,
    command,
    differences,
    environments,
    fields_of,
    runs_table,
    seeds_table,
    shared_fields,
    trials_table,
)
from asrnn.reports.runs import Run, read_run
from asrnn.reports.sweep import read_sweep
from tests.reports.workdirs import ROWS, SUMMARY, write_diverged, write_run, write_sweep


def read(folder: Path, name: str, overrides: dict[str, Any], **summary: Any) -> Run:
    return read_run(write_run(folder / name, overrides, SUMMARY | summary), folder)


def texts(table: Table) -> list[list[str]]:
    return [[cell.content for cell in row] for row in table.rows]


def test_a_run_is_a_line_best_first_with_the_fields_in_which_it_differs(tmp_path: Path) -> None:
    lost = read_run(write_diverged(tmp_path / "lost", {"optimizer.learning_rate": 9.0}), tmp_path)
    table = runs_table([lost, read(tmp_path, "plain", {"optimizer.learning_rate": 0.25})])
    assert texts(table) == [
        [
            *("plain", "done", "90.00%", "88.00%", "40", "digits", "antisymmetric", "322"),
            *("1m30s", "native", "cpu (2 cores)", "learning_rate 0.25"),
        ],
        [
            *("lost", "diverged", "50.00%", "–", "25", "digits", "antisymmetric", "322"),
            *("1m30s", "native", "cpu (2 cores)", "learning_rate 9.0"),
        ],
    ]
    assert table.numeric[:5] == [False, False, True, True, True]
    assert table.rows[0][0] == Cell("plain", kind="run")


def test_a_field_that_is_empty_in_one_run_is_a_dash_and_no_word_of_a_command(
    tmp_path: Path,
) -> None:
    runs = [read(tmp_path, "a", {}), read(tmp_path, "b", {"training.init_from": "runs/a"})]
    assert [row[-1] for row in texts(runs_table(runs))] == ["init_from –", "init_from runs/a"]
    found = differences(runs)
    assert found is not None
    assert texts(found) == [["a", "–"], ["b", "runs/a"]]
    assert "init_from" not in command(runs[0], "runs")
    assert "--config.training.init_from=runs/a" in command(runs[1], "runs")
    assert ("training.init_from", "–") in fields_of(runs[0])


def test_seeds_have_a_mean_and_a_deviation(tmp_path: Path) -> None:
    rows = [*ROWS[:-2], {"step": 40, "split": "validation", "loss": 1.0, "accuracy": 0.7}]
    runs = [read(tmp_path, "a", {"seed": 0}), read(tmp_path, "c", {"model.step_size": 0.5})]
    assert seeds_table(runs) is None
    unfinished = read_run(write_run(tmp_path / "b", {"seed": 10}, None, rows), tmp_path)
    table = seeds_table([*runs, unfinished])
    assert table is not None
    [row] = texts(table)
    assert row[:4] == ["a", "0, 10", "80.00% ± 14.14%", "88.00% (1 of 2)"]
    assert row[-1] == "step_size 0.01"


def test_trials_are_ranked_and_linked_to_their_runs(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path), "s")
    table = trials_table(sweep, {"bb": "s/bb"}.get)
    assert table.rows[0][0] == Cell("s/bb", kind="run")
    assert texts(table)[1] == ["aa", "done", "40", "1", "80.00%", "sgd", "0.1", "–"]


def test_only_fields_that_differ_are_columns(tmp_path: Path) -> None:
    runs = [read(tmp_path, "a", {}), read(tmp_path, "b", {"optimizer.learning_rate": 0.5})]
    table = differences(runs)
    assert table is not None
    assert [table.header, *texts(table)] == [
        *(["run", "optimizer.learning_rate"], ["a", "0.1"], ["b", "0.5"])
    ]
    shared = shared_fields(runs)
    assert ("seed", "0") in shared and "optimizer.learning_rate" not in dict(shared)
    assert differences(runs[:1]) is None


def test_the_environment_groups_runs_by_versions_and_device(tmp_path: Path) -> None:
    runs = [
        read(tmp_path, "a", {}),
        read(tmp_path, "b", {}, peak_memory_bytes=2**20),
        read(tmp_path, "c", {}, device="gpu H200", peak_memory_bytes=2**30),
        read_run(write_run(tmp_path / "d", {}, None), tmp_path),
    ]
    table = environments(runs)
    assert table is not None
    assert texts(table) == [
        ["cpu (2 cores)", "native", "3.11.7", "0.10.2", "2", "300"],
        ["gpu H200", "native", "3.11.7", "0.10.2", "1", "1,024"],
    ]
    assert environments(runs[3:]) is None


def test_the_command_of_a_run_sets_every_field_that_it_reads(tmp_path: Path) -> None:
    run = read(tmp_path, "my run", {"optimizer.name": "sgd", "model.step_size": 0.5})
    words = command(run, "runs")
    assert words.startswith("asrnn train --config=digits --config.")
    assert "--config.model.step_size=0.5" in words and "--config.optimizer.momentum=" in words
    assert "beta1" not in words  # of Adam
    assert words.endswith(" '--workdir=runs/my run'")
    assert command(run, "above/my run").endswith(" '--workdir=above/my run'")
    unknown = run._replace(config={"task.name": "x; rm -rf /", "old.field": 1})
    assert "'--config=x; rm -rf /'" in command(unknown, "runs")
