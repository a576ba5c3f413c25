"""The curves of many runs stay readable: the best have colours, the others are grey behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.reports.curves import curves_of_run, curves_of_runs, ranked
from asrnn.reports.runs import Run, read_run
from tests.reports.workdirs import ROWS, SUMMARY, write_diverged, write_run


def runs_of(count: int, folder: Path) -> list[Run]:
    """run-00 is the worst, and each is better than the one before."""
    made = []
    for i in range(count):
        rows = [
            row | {"accuracy": 0.5 + i / 1000} if row["split"] == "validation" else row
            for row in ROWS
        ]
        made.append(read_run(write_run(folder / f"run-{i:02d}", rows=rows), folder))
    return made


def test_runs_are_ranked_by_validation_then_by_name(tmp_path: Path) -> None:
    runs = runs_of(3, tmp_path)
    waiting = read_run(write_run(tmp_path / "a", summary=None, rows=[]), tmp_path)
    equal = runs[0]._replace(name="run-99")
    names = [run.name for run in ranked([waiting, equal, *runs])]
    assert names == ["run-02", "run-01", "run-00", "run-99", "a"]


def test_a_few_runs_have_a_colour_each_and_both_parts(tmp_path: Path) -> None:
    made = curves_of_runs(runs_of(2, tmp_path))
    for run, style in (("run-01", "hue-0"), ("run-00", "hue-1")):
        assert f"<title>{run}, validation</title>" in made
        assert f"<title>{run}, training</title>" in made
        assert f'class="line {style} train"' in made
    assert "run-01 50.10%" in made and "Thick: validation" in made
    assert "other" not in made


def test_of_many_runs_the_best_are_coloured_and_on_top(tmp_path: Path) -> None:
    made = curves_of_runs(runs_of(20, tmp_path))
    assert "14 others" in made and "training</title>" not in made
    assert made.count('class="line other"') == 2 * 14 + 1  # two charts, and the legend
    accuracy = made[made.index("Accuracy of") :]
    assert accuracy.index("run-00, val") < accuracy.index("run-14, val")
    assert accuracy.index("run-14, val") < accuracy.index("run-19, val")
    assert "Accuracy of 20 runs of digits over steps; best validation accuracy 51.90%, run-19" in (
        made
    )


def test_without_validation_the_training_rows_are_drawn(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row["split"] == "train"]
    run = read_run(write_run(tmp_path / "r", rows=rows), tmp_path)
    made = curves_of_runs([run])
    assert "<title>r, training</title>" in made and "validation</title>" not in made


def test_the_end_of_a_diverged_run_is_marked_and_explained(tmp_path: Path) -> None:
    lost = read_run(write_diverged(tmp_path / "lost"), tmp_path)
    made = curves_of_runs([*runs_of(1, tmp_path), lost])
    assert made.count('class="cross"') == 2 and "A cross: the run diverged." in made


@pytest.mark.parametrize(("count", "words"), [(2, "w-0 (unfinished at step 0)"), (9, "9 unfinish")])
def test_runs_without_rows_are_named_or_counted(count: int, words: str, tmp_path: Path) -> None:
    waiting = [
        read_run(write_run(tmp_path / f"w-{i}", summary=None, rows=[]), tmp_path)
        for i in range(count)
    ]
    made = curves_of_runs([*runs_of(1, tmp_path), *waiting])
    assert f"No curve, because there is no row yet: {words}" in made
    assert curves_of_runs(waiting).startswith("<p>No curve")


def test_losses_out_of_all_measure_are_cut_and_said_to_be(tmp_path: Path) -> None:
    rows = [ROWS[0], ROWS[2] | {"loss": 1e9}]
    run = read_run(write_run(tmp_path / "r", rows=rows), tmp_path)
    assert "Losses above 100 are cut off." in curves_of_runs([run])
    assert "cut off" not in curves_of_runs(runs_of(1, tmp_path))


def test_one_run_is_drawn_with_all_its_parts(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "r", summary=SUMMARY), tmp_path)
    made = curves_of_run(run)
    for split in ("train", "validation", "test"):
        assert f"<title>{split}</title>" in made and f"</svg>{split}</li>" in made
    assert curves_of_run(run._replace(rows=[])).startswith("<p>No curve")
