"""A workdir belongs to one config and to one writer at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, ConfigError, WorkdirInUse
from asrnn.runs.summary import write_summary
from asrnn.runs.workdir import finished, open_workdir, read_config, write_config
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import rows, summary, tiny_config


def used(workdir: Path, **changes: Any) -> Path:
    """A workdir in which a run has begun."""
    config = tiny_config(**changes)
    with open_workdir(workdir, config):
        write_config(workdir, config)
        (workdir / "metrics.jsonl").write_text("")
    return workdir


def test_a_run_is_finished_when_it_has_made_all_updates_of_the_config(tmp_path: Path) -> None:
    config = tiny_config()
    workdir = used(tmp_path / "run")
    assert finished(tmp_path / "none", config) is None
    assert finished(workdir, config) is None
    done = {"status": "done", "steps": config.training.steps}
    write_summary(workdir, done | {"status": "stopped"})
    assert finished(workdir, config) is None
    write_summary(workdir, done)
    assert finished(workdir, config) == done
    with pytest.raises(ConfigError, match="holds a run with another config"):
        finished(workdir, tiny_config(seed=1))
    config.training.steps += 1
    assert finished(workdir, config) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 1),
        ("task.name", "mnist"),
        ("task.source", "tfds"),
        ("task.validation_size", 99),
        ("model.cell", "lstm"),
        ("model.hidden_size", 9),
        ("model.step_size", 0.2),
        ("optimizer.name", "sgd"),
        ("optimizer.learning_rate", 0.02),
        ("training.batch_size", 17),
        ("training.log_every", 6),
        ("training.eval_every", 8),
    ],
)
def test_another_config_is_refused_with_the_difference(
    field: str, value: Any, tmp_path: Path
) -> None:
    used(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    other = tiny_config(**{field.replace(".", "__"): value})
    now = tiny_config()
    for part in field.split("."):
        now = now[part]
    with (
        pytest.raises(ConfigError, match=f"{field}: {now} -> {value}") as error,
        open_workdir(tmp_path, other),
    ):
        raise AssertionError
    assert "\n" not in str(error.value)
    assert "--workdir" in str(error.value)
    assert error.value.exit_code == 2
    assert (tmp_path / "config.json").read_bytes() == before


def test_all_differences_are_named_at_once(tmp_path: Path) -> None:
    used(tmp_path)
    other = tiny_config(seed=3, model__hidden_size=9)
    with (
        pytest.raises(ConfigError, match=r"seed: 0 -> 3.*model\.hidden_size: 8 -> 9|model.*seed"),
        open_workdir(tmp_path, other),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("training.steps", 13),
        ("training.checkpoint_every", 5),
        ("training.tensorboard", True),
        ("training.patience", 3),
        ("task.data_dir", "elsewhere"),
        ("recurrence.backend", "auto"),
        ("recurrence.unroll", 2),
        ("recurrence.remat", "segments"),
    ],
)
def test_what_changes_no_number_may_differ(field: str, value: Any, tmp_path: Path) -> None:
    used(tmp_path)
    with open_workdir(tmp_path, tiny_config(**{field.replace(".", "__"): value})):
        pass


@pytest.mark.parametrize(("schedule", "allowed"), [("cosine", False), ("step", True)])
def test_more_steps_are_refused_where_the_schedule_depends_on_their_number(
    schedule: str, allowed: bool, tmp_path: Path
) -> None:
    used(tmp_path, optimizer__schedule=schedule)
    longer = tiny_config(optimizer__schedule=schedule, training__steps=20)
    if allowed:
        with open_workdir(tmp_path, longer):
            pass
    else:
        with (
            pytest.raises(ConfigError, match=r"to make 12 steps.*steps=20; with .*=cosine"),
            open_workdir(tmp_path, longer),
        ):
            raise AssertionError


def test_a_config_json_that_is_none_is_one_line(tmp_path: Path) -> None:
    for text in ("", "{", "[]", "3", '{"seed": 0}', '{"seed": "zero"}', "\x00"):
        used(tmp_path / "run")
        (tmp_path / "run" / "config.json").write_text(text)
        with (
            pytest.raises(CheckpointError, match="repair the file") as error,
            open_workdir(tmp_path / "run", tiny_config()),
        ):
            raise AssertionError(text)
        assert "\n" not in str(error.value)
        shutil.rmtree(tmp_path / "run")


@pytest.mark.parametrize("trace", ["metrics.jsonl", "checkpoints/10", "summary.json"])
def test_a_run_without_its_config_json_is_not_taken_for_a_new_one(
    trace: str, tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / trace).touch()
    with (
        pytest.raises(
            CheckpointError, match=r"without its config\.json.*put .* back, or .*--workdir"
        ),
        open_workdir(tmp_path, tiny_config()),
    ):
        raise AssertionError
    assert not (tmp_path / "config.json").exists()


def test_damaged_rows_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    used(tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('garbage\n{"step": 5, "split": "train"}\n')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match="line 1 of 2 is not a row"):
        train_and_evaluate(tiny_config(training__steps=20), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_batch_larger_than_the_data_is_refused_before_room_is_made_for_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size must be from 1 to 1342"):
        train_and_evaluate(tiny_config(training__batch_size=10**9), tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workdir of a finished run."""
    workdir = tmp_path_factory.mktemp("done")
    train_and_evaluate(tiny_config(), workdir)
    return workdir


@pytest.mark.parametrize("left", [None, b"\x8f\x00\xfe"], ids=["lost", "bytes"])
def test_a_run_whose_rows_are_lost_goes_on_and_says_so(
    left: bytes | None, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    metrics = tmp_path / "metrics.jsonl"
    metrics.unlink() if left is None else metrics.write_bytes(left)
    capsys.readouterr()
    train_and_evaluate(tiny_config(training__steps=15), tmp_path)
    said = f"{metrics} has no training row after step 0: those up to step 10 are gone"
    assert capsys.readouterr().err.count(said) == 1
    assert [row["step"] for row in rows(tmp_path) if row["split"] == "train"] == [15]


def test_a_run_that_has_all_its_rows_says_nothing_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for steps in (4, 12):  # 4: a checkpoint before the first row is due
        train_and_evaluate(tiny_config(training__steps=steps), tmp_path)
    assert "no training row" not in capsys.readouterr().err


def test_the_lock_holds_for_as_long_as_the_context(tmp_path: Path) -> None:
    with (
        open_workdir(tmp_path, tiny_config()),
        pytest.raises(WorkdirInUse, match="in use"),
        open_workdir(tmp_path, tiny_config()),
    ):
        raise AssertionError
    with open_workdir(tmp_path, tiny_config()):
        pass


def test_a_refused_writer_leaves_no_trace(tmp_path: Path) -> None:
    used(tmp_path)
    with open_workdir(tmp_path, tiny_config()):
        before = (tmp_path / "config.json").read_bytes()
        with pytest.raises(WorkdirInUse), open_workdir(tmp_path, tiny_config(seed=1)):
            raise AssertionError
        assert (tmp_path / "config.json").read_bytes() == before


def test_the_config_of_a_workdir_repeats_the_run_and_the_summary_is_of_the_contract(
    done: Path, tmp_path: Path
) -> None:
    found = train_and_evaluate(read_config(done / "config.json"), tmp_path)
    assert rows(tmp_path) == rows(done)
    assert found == summary(tmp_path)
    back = json.loads(json.dumps(found))
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in back.items()
    }
    assert found["status"] == "done"
    assert found["steps"] == 12
    assert found["num_parameters"] == 8 * 7 // 2 + 8 + 8 + 8 * 10 + 10
    assert found["seconds"] > 0
    assert found["backend"] == "scan"
    assert found["device"].startswith("cpu")
    accuracy = {
        row["split"]: row["accuracy"] for row in rows(tmp_path) if row["step"] == found["best_step"]
    }
    assert found["test_accuracy"] == accuracy["test"]
    assert found["validation_accuracy"] == accuracy["validation"]
    assert found["versions"].keys() >= {"python", "jax", "flax", "optax"}


@pytest.mark.parametrize("text", ["[]", '{"steps": 12}', "{"])
def test_a_summary_that_is_none_is_written_anew(text: str, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    (tmp_path / "summary.json").write_text(text)
    again = train_and_evaluate(tiny_config(), tmp_path)
    assert again["test_accuracy"] == summary(done)["test_accuracy"]


def test_a_run_killed_before_its_config_was_written_can_begin_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with open_workdir(tmp_path, tiny_config()):
        pass
