"""A run is what its files say, also when it was killed, extended, or is still going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, ConfigError
from asrnn.reports.runs import differing_fields, find_workdirs, read_readable, read_run, written
from tests.reports.workdirs import ROWS, SUMMARY, write_diverged, write_run


def test_runs_are_found_wherever_they_lie(tmp_path: Path) -> None:
    names = ["b", "a/x", "a/deep/er"]
    found = [write_run(tmp_path / name) for name in names]
    (tmp_path / "empty").mkdir()
    write_run(tmp_path / "b" / "checkpoints" / "copy")  # within a workdir: not one of its own
    assert find_workdirs(tmp_path) == sorted(found)


def test_the_folder_itself_may_be_the_run(tmp_path: Path) -> None:
    workdir = write_run(tmp_path / "alone")
    assert find_workdirs(workdir) == [workdir]
    assert read_run(workdir, workdir).name == "alone"
    assert read_run(workdir, tmp_path.parent).name == f"{tmp_path.name}/alone"


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_runs_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run found below .*; give the folder of a run"):
        find_workdirs(tmp_path / name)


def test_a_finished_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "r", {"task.name": "mnist"}), tmp_path)
    assert (run.task, run.cell, run.status, run.steps) == ("mnist", "antisymmetric", "done", 40)
    assert (run.validation_score, run.test_score) == (0.9, 0.88)
    assert run.points("train", "loss") == [(20, 2.0), (40, 0.5)]


def test_a_diverged_run_keeps_the_best_it_had(tmp_path: Path) -> None:
    run = read_run(write_diverged(tmp_path / "r"), tmp_path)
    assert (run.status, run.steps, run.validation_score) == ("diverged", 25, 0.5)


def test_a_killed_run_has_no_summary_and_a_torn_line(tmp_path: Path) -> None:
    workdir = write_run(tmp_path / "r", summary=None, rows=ROWS[:3])
    with (workdir / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "spl')
    run = read_run(workdir, tmp_path)
    assert (run.status, run.steps, run.validation_score) == ("unfinished", 40, 0.5)
    assert run.test_score is None


@pytest.mark.parametrize(
    ("summary", "steps"),
    [
        pytest.param(SUMMARY, 80, id="extended_and_not_begun"),
        pytest.param(SUMMARY | {"steps": 20}, 40, id="extended_and_going_on"),
        pytest.param(SUMMARY | {"steps": 20, "status": "stopped"}, 40, id="resumed"),
    ],
)
def test_a_summary_that_the_run_went_beyond_does_not_count(
    summary: dict[str, Any], steps: int, tmp_path: Path
) -> None:
    run = read_run(write_run(tmp_path / "r", {"training.steps": steps}, summary), tmp_path)
    assert (run.status, run.steps, run.test_score) == ("unfinished", 40, None)


def test_a_stopped_run_is_stopped(tmp_path: Path) -> None:
    stopped = SUMMARY | {"status": "stopped", "steps": 40}
    run = read_run(write_run(tmp_path / "r", {"training.steps": 80}, stopped), tmp_path)
    assert run.status == "stopped"


def test_values_that_are_not_finite_are_no_points(tmp_path: Path) -> None:
    rows = [{"step": 1, "split": "train", "loss": None, "accuracy": float("nan")}]
    run = read_run(write_run(tmp_path / "r", rows=rows), tmp_path)
    assert run.points("train", "loss") == run.points("train", "accuracy") == []


def test_a_config_of_an_earlier_version_can_be_read(tmp_path: Path) -> None:
    workdir = write_run(tmp_path / "r")
    (workdir / "config.json").write_text('{"model": {"cell": "lstm"}}')
    run = read_run(workdir, tmp_path)
    assert (run.cell, run.task) == ("lstm", "None")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"seed": '),
        ("config.json", "[]"),
        ("config.json", '{"training": {"steps": "many"}}'),
        ("config.json", b"\xff\xfe"),
        ("summary.json", "{"),
        ("summary.json", json.dumps(SUMMARY | {"seconds": "long"})),
        ("metrics.jsonl", "garbage\n" + json.dumps(ROWS[0]) + "\n"),
        ("metrics.jsonl", '{"step": "one", "split": "train"}\n'),
    ],
)
def test_a_damaged_file_is_named(name: str, content: str | bytes, tmp_path: Path) -> None:
    workdir = write_run(tmp_path / "r")
    (workdir / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        CheckpointError, match=rf"{name} cannot be read \(.+\); repair the file"
    ) as caught:
        read_run(workdir, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_run_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    damaged, whole, odd = (write_run(tmp_path / name) for name in ("a", "b", "c"))
    (damaged / "config.json").write_text("{")
    (odd / "config.json").write_text('{"objective": {"name": "none"}}')
    told: list[str] = []
    assert list(read_readable([damaged, whole, odd], tmp_path, told.append)) == [whole]
    assert [line.split(" (")[0] for line in told] == [
        f"left out: {workdir / 'config.json'} cannot be read" for workdir in (damaged, odd)
    ]
    with pytest.raises(CheckpointError, match=r"a/config\.json cannot be read"):
        read_readable([damaged, odd], tmp_path, told.append)


def test_fields_that_differ_are_named_in_order() -> None:
    one = {"b": 1, "a": "x", "same": [1, 2], "only": True}
    other = {"b": 2, "a": "y", "same": [1, 2]}
    assert differing_fields([one, other]) == ["a", "b", "only"]
    assert differing_fields([one]) == differing_fields([one, dict(one)]) == []


def test_a_number_and_its_digits_are_not_the_same() -> None:
    assert differing_fields([{"a": 1}, {"a": "1"}]) == ["a"]
    assert differing_fields([{"a": None}, {}]) == ["a"]


def test_values_are_written_as_a_reader_knows_them() -> None:
    assert [written(v) for v in ("sgd", 0.1, True, None, [1])] == [
        *("sgd", "0.1", "true", "null", "[1]")
    ]
