"""The rows of a table's JSON file: what is measured, what is kept, and what stays empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.config import to_json
from asrnn.errors import CheckpointError, ConfigError
from asrnn.paper.table_definition import Row, stages_of
from asrnn.paper.table_results import check_workdirs, foreign, make_result, read_results
from asrnn.sweeps.trials import Job

ROW = Row(
    **{"name": "own", "task": "mnist", "method": "Own", "paper": 98.0, "units": 128},
    **{"printed_parameters": "10k", "source": "someone", "config": "configs/mnist.py:paper"},
    **{"overrides": {"optimizer.learning_rate": 0.5}, "steps": 60, "seeds": (0, 1, 2)},
)
CITED = ROW._replace(config=None, overrides=None, steps=None, seeds=())


def jobs(folder: Path, row: Row = ROW, **overrides: Any) -> list[Job]:
    """The jobs of a row with some overrides; `__` stands for the dot."""
    changes = {name.replace("__", "."): value for name, value in overrides.items()}
    row = row._replace(overrides=(row.overrides or {}) | changes)
    return stages_of(row, folder, quick=False, data={})[-1]


def finish(job: Job, test: float | None, **changes: Any) -> None:
    """Writes what a finished run leaves behind."""
    summary = {
        **{
            "status": "done",
            "steps": job.config.training.steps,
            "test_accuracy": test,
            "validation_accuracy": 0.5,
        },
        **{"best_step": 40, "seconds": 10.0, "device": "cpu (2 cores)", "backend": "native"},
    }
    job.workdir.mkdir(parents=True)
    (job.workdir / "config.json").write_text(to_json(job.config))
    (job.workdir / "summary.json").write_text(json.dumps(summary | changes))


def result(jobs: list[Job], kept: Any = None, row: Row = ROW) -> dict[str, Any]:
    """The row, and under `said` what was reported."""
    said: list[str] = []
    found = make_result("table1", row, [jobs], kept, quick=False, report=said.append)
    return found | {"said": said}


def test_the_row_has_the_mean_and_the_sample_deviation_over_its_seeds(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97, seconds=10.0, validation_accuracy=0.96)
    finish(made[1], 0.98, seconds=30.0, validation_accuracy=0.98)
    finish(made[2], 0.99, seconds=20.0, validation_accuracy=None, device="gpu X", backend="adjoint")
    found = result(made)
    assert (found["mean"], found["std"]) == (98.0, 1.0)
    assert found["validation_accuracy"] == 97.0
    assert found["seeds"] == [0, 1, 2]
    assert found["seconds"] == 20.0
    assert found["hardware"] == "cpu (2 cores), native; gpu X, adjoint"
    assert found["command"] == "python -m asrnn.reproduce table1 --rows=own"
    assert (found["table"], found["task"], found["cell"]) == ("table1", "mnist", "antisymmetric")
    assert (found["paper"], found["cited"], found["quick"]) == (98.0, False, False)
    assert (found["num_parameters"], found["printed_parameters"]) == (9_674, "10k")
    assert found["steps"] == 60
    assert json.loads(json.dumps(found)) == found


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[1], 0.97)
    found = result(made)
    assert (found["mean"], found["std"], found["seeds"]) == (97.0, None, [1])


EMPTY = {
    **{"mean": None, "std": None, "validation_accuracy": None, "seeds": [], "diverged": []},
    **{"seconds": None, "hardware": None, "runs": []},
}


def test_a_row_that_nobody_ran_has_the_papers_number_and_nothing_else(tmp_path: Path) -> None:
    found = result(jobs(tmp_path))
    assert found["paper"] == 98.0
    assert found | EMPTY == found


def test_a_row_that_is_only_cited_says_so() -> None:
    found = result([], row=CITED)
    assert (found["cited"], found["paper"], found["units"]) == (True, 98.0, 128)
    nothing = dict.fromkeys(["cell", "num_parameters", "steps", "command", "settings"])
    assert found | EMPTY | nothing == found


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "stopped", "steps": 60},
        {"status": "done", "steps": 59},
        {"status": "done", "steps": 61},
    ],
    ids=str,
)
def test_a_run_that_is_not_at_its_last_step_counts_as_not_there(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97, **changes)
    assert result(made) == result(made) | EMPTY


def test_a_run_that_diverged_is_told_and_not_averaged(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97)
    finish(made[1], None, status="diverged", steps=12)
    found = result(made)
    assert (found["mean"], found["seeds"], found["diverged"]) == (97.0, [0], [1])


def test_the_run_of_another_definition_is_neither_read_nor_run_over(tmp_path: Path) -> None:
    finish(jobs(tmp_path)[0], 0.97)
    now = jobs(tmp_path, optimizer__learning_rate=0.25)
    assert result(now)["mean"] is None
    with pytest.raises(ConfigError, match=r"another definition .*learning_rate: 0.5 -> 0.25"):
        check_workdirs(now)


def test_a_run_of_another_seed_is_not_that_of_the_row(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(Job(made[0].workdir, made[1].config), 0.97)
    assert foreign(made[0]) == "seed: 1 -> 0"
    assert result(made)["mean"] is None


def test_a_run_that_went_further_is_of_another_definition(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97, steps=61)
    assert foreign(made[0]) == "training.steps: 61 -> 60"


@pytest.mark.parametrize(
    "overrides",
    [
        {"task__source": "files", "task__data_dir": "elsewhere"},
        {"recurrence__backend": "scan", "recurrence__remat": "segments"},
        {"training__checkpoint_every": 3, "training__log_every": 3},
    ],
    ids=str,
)
def test_where_the_data_are_and_how_it_was_computed_change_no_definition(
    overrides: dict[str, Any], tmp_path: Path
) -> None:
    before = jobs(tmp_path)
    finish(before[0], 0.97)
    now = jobs(tmp_path, **overrides)
    check_workdirs(now)
    assert result(now)["mean"] == 97.0
    assert result(jobs(tmp_path / "away", **overrides), kept=result(before))["mean"] == 97.0


def test_a_workdir_without_a_readable_config_is_left_alone(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97)
    (made[0].workdir / "config.json").write_text("{")
    assert result(made)["mean"] is None
    with pytest.raises(ConfigError, match=r"no readable config\.json"):
        check_workdirs(made)


# ---- results of an earlier file


def test_a_clone_without_runs_keeps_the_results(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    for job in made:
        finish(job, 0.9 + job.config.seed / 100)
    before = result(made)
    kept = json.loads(json.dumps(before))
    assert result(jobs(tmp_path / "clone"), kept) == before


def test_runs_that_are_there_replace_and_join_those_that_were_kept(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    for job in made[:2]:
        finish(job, 0.90)
    kept = result(made)
    now = jobs(tmp_path / "now")
    for job in now[1:]:
        finish(job, 0.99)
    found = result(now, kept)
    assert [run["test_accuracy"] for run in found["runs"]] == [90.0, 99.0, 99.0]
    assert (found["mean"], found["seeds"]) == (96.0, [0, 1, 2])


def test_a_seed_that_left_the_definition_leaves_the_row(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    for job in made:
        finish(job, 0.90 + job.config.seed / 100)
    fewer = ROW._replace(seeds=(0,))
    found = result(jobs(tmp_path / "clone", fewer), result(made), fewer)
    assert (found["mean"], found["seeds"]) == (90.0, [0])


@pytest.mark.parametrize("changes", [{"optimizer__epsilon": 0.1}, {"training__steps": 61}])
def test_results_of_a_changed_definition_are_dropped_with_a_word(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97)
    found = result(jobs(tmp_path / "clone", **changes), result(made))
    assert found["mean"] is None
    (said,) = found["said"]
    (name,) = (name.replace("__", ".") for name in changes)
    assert said.startswith("row own: its definition has changed")
    assert f"({name}: " in said


def test_a_field_that_is_new_since_had_its_default(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    finish(made[0], 0.97)
    kept = result(made)
    del kept["settings"]["optimizer.epsilon"]
    assert result(jobs(tmp_path / "clone"), kept)["mean"] == 97.0
    changed = jobs(tmp_path / "clone", optimizer__epsilon=0.1)
    assert result(changed, kept)["mean"] is None


# ---- rows of several stages


STAGED = ROW._replace(
    stages=("configs/mnist.py:paper,quick", "configs/mnist.py:paper"), seeds=(0, 1)
)


def staged(folder: Path, row: Row = STAGED, kept: Any = None) -> dict[str, Any]:
    said: list[str] = []
    stages = stages_of(row, folder, quick=False, data={})
    return make_result("table1", row, stages, kept, quick=False, report=said.append) | {
        "said": said
    }


def test_steps_and_seconds_are_those_of_all_stages(tmp_path: Path) -> None:
    for jobs in stages_of(STAGED, tmp_path, quick=False, data={}):
        finish(jobs[0], 0.9, seconds=10.0)
    found = staged(tmp_path)
    assert (found["steps"], found["seconds"], found["seeds"]) == (200 + 50_000 + 60, 30.0, [0])
    first, second = found["settings"]["stages"]
    assert (first["training.steps"], first["training.eval_every"]) == (200, 100)
    assert second == {"training.steps": 50_000}
    assert found["settings"]["training.steps"] == 60
    assert "training.init_from" not in found["settings"]  # a folder of some machine


def test_a_clone_keeps_the_results_of_stages_until_one_of_them_changes(tmp_path: Path) -> None:
    for jobs in stages_of(STAGED, tmp_path, quick=False, data={}):
        finish(jobs[1], 0.9)
    kept = json.loads(json.dumps(staged(tmp_path)))
    assert staged(tmp_path / "clone", kept=kept)["seeds"] == [1]
    changed = STAGED._replace(stages=STAGED.stages[:1])
    assert staged(tmp_path / "clone", changed, kept)["seeds"] == []
    without = staged(tmp_path / "clone", ROW._replace(seeds=(0, 1)), kept)
    assert without["seeds"] == [] and "stages" in without["said"][0]


def test_a_run_that_started_from_drawn_parameters_is_not_that_of_stages(tmp_path: Path) -> None:
    job = jobs(tmp_path)[0]
    finish(job, 0.9)
    assert staged(tmp_path)["seeds"] == []
    own = stages_of(STAGED, tmp_path, quick=False, data={})[-1][0]
    assert "training.init_from" in foreign(own)


def test_the_run_of_another_stage_makes_the_result_another(tmp_path: Path) -> None:
    first, second, own = stages_of(STAGED, tmp_path, quick=False, data={})
    config = first[0].config.copy_and_resolve_references()
    config.task.pool = 2
    for job in (first[0]._replace(config=config), second[0], own[0]):
        finish(job, 0.9)
    assert "task.pool: 2 -> 1" in foreign(first[0])
    assert staged(tmp_path)["seeds"] == []


def test_there_need_not_be_an_earlier_file(tmp_path: Path) -> None:
    assert read_results(tmp_path / "table1.json") == {}


def test_an_earlier_file_is_read_by_the_names_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "table1.json"
    made = jobs(tmp_path)
    finish(made[0], 0.97)
    rows = [result(made), result([], row=CITED._replace(name="other"))]
    path.write_text(json.dumps(rows))
    assert read_results(path) == {"own": rows[0], "other": rows[1]}


@pytest.mark.parametrize(
    "text",
    ["", "{}x", "3", '{"a": 1}', "[1]", '[{"name": "a"}]', '[{"name": "a", "runs": [{}]}]'],
)
def test_a_file_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table1.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match="not a table of this command"):
        read_results(path)
