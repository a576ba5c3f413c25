"""sweep.csv: numbers, names, and empty cells for what a trial does not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.errors import AsrnnError, CheckpointError
from asrnn.reports.sweep import find_sweeps, read_sweep
from tests.reports.workdirs import write_sweep


def test_a_sweep_is_read(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path / "s"), "s")
    assert sweep.fields == ["optimizer.name", "optimizer.learning_rate", "model.step_size"]
    first = sweep.entries[0]
    assert (first.id, first.status, first.steps, first.rung) == ("aa", "done", "40", "1")
    assert first.score == 0.8
    assert first.values == {
        **{"optimizer.name": "sgd", "optimizer.learning_rate": 0.1, "model.step_size": None}
    }
    assert sweep.entries[2].score is None


HEAD = "id,status,steps,rung,validation_accuracy,seed,rate\n"


def best(folder: Path, lines: str, head: str = HEAD) -> str:
    return str(read_sweep(write_sweep(folder, head + lines), "s").best)


def test_the_best_is_the_first_of_the_highest_that_did_not_diverge(tmp_path: Path) -> None:
    lines = "a,done,1,0,0.5,0,1\nb,diverged,1,0,0.9,0,2\nc,done,1,0,0.5,0,3\n"
    assert best(tmp_path, lines) == "50.00% (trial a)"
    assert best(tmp_path, "") == best(tmp_path, "a,waiting,0,0,,0,1\n") == "None"


def test_the_best_is_a_setting_by_the_mean_of_its_seeds(tmp_path: Path) -> None:
    lines = "a,done,1,0,0.9,0,1\nb,done,1,0,0.1,1,1\nc,done,1,0,0.6,0,2\nd,done,1,0,0.7,1,2\n"
    assert best(tmp_path, lines) == "65.00% (mean of 2 seeds, first trial c)"
    unfinished = lines.replace("d,done", "d,started")
    assert best(tmp_path, unfinished) == "50.00% (mean of 2 seeds, first trial a)"


def test_the_best_came_to_the_highest_rung(tmp_path: Path) -> None:
    lines = "a,done,5,5,0.9,0,1\nb,done,15,15,0.7,0,2\nc,done,15,15,0.8,0,3\nd,done,5,5,0.6,0,4\n"
    assert best(tmp_path, lines) == "80.00% (trial c)"
    ranking = read_sweep(tmp_path / "sweep.csv", "s").ranking
    assert [setting.entries[0].id for setting in ranking] == list("cbad")
    diverged = lines.replace("15,0.8", "15,").replace("c,done", "c,diverged")
    assert best(tmp_path, diverged) == "70.00% (trial b)"
    assert best(tmp_path, diverged.replace("b,done", "b,started")) == "None"
    ranking = read_sweep(tmp_path / "sweep.csv", "s").ranking
    assert [setting.entries[0].id for setting in ranking] == list("adbc")


def test_lengths_that_the_space_sets_are_no_rungs(tmp_path: Path) -> None:
    lines = "a,done,5,5,0.9,0,5\nb,done,15,15,0.7,0,15\n"
    head = HEAD.replace("rate", "training.steps")
    assert best(tmp_path, lines, head) == "90.00% (trial a)"
    assert best(tmp_path, "", head) == "None"


def test_sweeps_are_found_by_their_two_files(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a" / "b")
    write_sweep(tmp_path / "half").unlink()
    assert find_sweeps(tmp_path) == [tmp_path / "a" / "b"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "no column 'id'"),
        ("id,status\n", "no column 'steps'"),
        ("id,status,steps,rung,validation_accuracy\na,done\n", "line 2 has 2 cells of 5"),
        ("id,status,steps,rung,validation_accuracy\na,done,1,0,good\n", "trial a .* 'good'"),
    ],
)
def test_a_damaged_table_is_named(table: str, words: str, tmp_path: Path) -> None:
    path = write_sweep(tmp_path, table)
    with pytest.raises(CheckpointError, match=rf"sweep.csv is not the table of a sweep \({words}"):
        read_sweep(path, "s")


def test_damaged_scales_are_named(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    (tmp_path / "scales.json").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"scales\.json cannot be read .*; run the sweep again"
    ):
        read_sweep(path, "s")


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="is not the table of a sweep"):
        read_sweep(path, "s")


@pytest.mark.parametrize("line", ["junk\n", "\n", "[]\n", '{"id": "aa"}\n'])
def test_a_list_of_trials_that_the_sweep_would_refuse_is_refused(line: str, tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    (tmp_path / "trials.jsonl").write_text(line)
    with pytest.raises(AsrnnError, match=r"trials\.jsonl is not a readable list of trials"):
        read_sweep(path, "s")
