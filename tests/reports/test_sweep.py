"""sweep.csv: numbers, names, and empty cells for what a trial does not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.errors import DataError
from asrnn.reports.sweep import find_sweeps, read_sweep
from tests.reports.workdirs import write_sweep


def test_a_sweep_is_read(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path / "s"), "s")
    assert sweep.fields == ["optimizer.name", "optimizer.learning_rate", "model.step_size"]
    first = sweep.entries[0]
    assert (first.id, first.status, first.steps, first.rung) == ("aa", "done", "40", "1")
    assert first.validation_accuracy == 0.8
    assert first.values == {
        **{"optimizer.name": "sgd", "optimizer.learning_rate": 0.1, "model.step_size": None}
    }
    assert sweep.entries[2].validation_accuracy is None


def test_the_best_is_the_highest_validation_of_those_that_did_not_diverge(tmp_path: Path) -> None:
    head = "id,status,steps,rung,validation_accuracy\n"
    path = write_sweep(tmp_path, head + "a,done,1,0,0.5\nb,diverged,1,0,0.9\nc,done,1,0,0.5\n")
    best = read_sweep(path, "s").best
    assert best is not None and best.id == "a"
    empty = write_sweep(tmp_path, head)
    assert read_sweep(empty, "s").best is None


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
    with pytest.raises(DataError, match=rf"sweep.csv is not the table of a sweep \({words}"):
        read_sweep(path, "s")


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not the table of a sweep"):
        read_sweep(path, "s")
