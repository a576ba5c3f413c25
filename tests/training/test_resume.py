"""A run that was stopped and resumed is, bit for bit, the run that went on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.errors import ConfigError, Interrupted
from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import read_config
from asrnn.tasks.images import tasks as image_tasks
from asrnn.training import dispatch_size, evaluation, journal, loop
from asrnn.training.evaluation import evaluate_workdir
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import (
    PATIENCE,
    after_update,
    arrays,
    assert_same_run,
    checkpoint,
    environment,
    kill,
    kill_after,
    rows,
    steps_kept,
    stop,
    summary,
    terminate,
    tiny_config,
    write_config,
)


@pytest.fixture(scope="module", autouse=True)
def small_evaluation_batches() -> Iterator[None]:
    """Two batches of validation and eight of test, so that a signal may come in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "BATCH_SIZE", 50)
        yield


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
    compilation_cache: Path,
    small_evaluation_batches: None,
) -> dict[str, Path]:
    """By optimizer, the workdir of a run that nothing disturbed."""
    workdirs = {}
    for name in ("adagrad", "adam"):
        workdirs[name] = tmp_path_factory.mktemp(name)
        train_and_evaluate(tiny_config(optimizer__name=name), workdirs[name])
    return workdirs


def test_rows_come_at_their_periods_and_at_the_end(uninterrupted: dict[str, Path]) -> None:
    found = [(row["step"], row["split"]) for row in rows(uninterrupted["adam"])]
    assert found == [
        (5, "train"),
        (7, "validation"),
        (10, "train"),
        (12, "train"),
        (12, "validation"),
        (found[-1][0], "test"),
    ]


def test_a_run_stopped_and_resumed_equals_the_uninterrupted_one(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(optimizer__name="adagrad")
    said = stop(monkeypatch, tmp_path, config, step=3)
    assert said.startswith("stopped by SIGTERM at step 3 of 12, state saved")
    before = summary(tmp_path)["seconds"]
    assert before > 0
    assert train_and_evaluate(config, tmp_path)["seconds"] > before
    assert_same_run(tmp_path, uninterrupted["adagrad"])


@pytest.mark.parametrize(
    "steps",
    [(3, 7, 8, 12), pytest.param(range(1, 13), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_a_run_stopped_again_and_again_equals_the_uninterrupted_one(
    steps: Sequence[int],
    tmp_path: Path,
    uninterrupted: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Inside a log window, at an evaluation, a checkpoint and the last update."""
    for step in steps:
        stop(monkeypatch, tmp_path, step=step)
        assert checkpoint(tmp_path).step == step == summary(tmp_path)["steps"]
        assert summary(tmp_path)["status"] == "stopped"
    train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])


@pytest.mark.parametrize(
    ("batch", "step"),
    [
        pytest.param(1, 7, id="validation", marks=pytest.mark.slow),
        pytest.param(3, 12, id="last_validation", marks=pytest.mark.slow),
        pytest.param(6, 12, id="test"),
    ],
)
def test_a_run_stopped_during_an_evaluation_equals_the_uninterrupted_one(
    batch: int,
    step: int,
    tmp_path: Path,
    uninterrupted: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop(monkeypatch, tmp_path, batch=batch)
    assert checkpoint(tmp_path).step == step == summary(tmp_path)["steps"]
    resumed = train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])
    again = evaluate_workdir(tmp_path, "validation")
    assert again["step"] == resumed["best_step"]
    assert again["accuracy"] == resumed["validation_accuracy"]


def test_a_row_written_just_before_a_kill_is_not_doubled(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, batch=1)
    # The evaluation that was cut short is made up for, and then comes the kill.
    with monkeypatch.context() as patch:
        patch.setattr(journal.Checkpoints, "save", lambda *args, **kwargs: kill())
        kill_after(patch, tmp_path, 8)
    assert [row["split"] for row in rows(tmp_path)] == ["train", "validation"]
    train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])


@pytest.mark.parametrize("step", [7, pytest.param(12, marks=pytest.mark.slow)])
def test_a_run_killed_and_resumed_equals_the_uninterrupted_one(
    step: int, tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, tmp_path, step)
    assert step - 4 <= steps_kept(tmp_path)[-1] < rows(tmp_path)[-1]["step"]  # a row too many
    train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])


def test_resuming_with_other_dispatches_changes_nothing(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, step=3)
    monkeypatch.setattr(dispatch_size, "SECONDS", 1e9)
    train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])


def test_a_torn_last_line_is_dropped(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, tmp_path, step=6)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "split": "valida')
    train_and_evaluate(tiny_config(), tmp_path)
    assert_same_run(tmp_path, uninterrupted["adam"])


def test_a_damaged_latest_checkpoint_costs_the_steps_since_the_one_before(
    tmp_path: Path,
    uninterrupted: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(monkeypatch, tmp_path, step=10)
    latest = tmp_path / "checkpoints" / "10" / "_METADATA"
    latest.write_bytes(latest.read_bytes()[:-1])
    train_and_evaluate(tiny_config(), tmp_path)
    said = capsys.readouterr().err
    assert "checkpoint 10 is damaged (sha256 of 10/_METADATA" in said
    assert "resuming at step 8" in said
    assert_same_run(tmp_path, uninterrupted["adam"])


class AtOnce(ThreadPoolExecutor):
    """Reads every window when it is asked to, and not when a thread gets around to it."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        result = super().submit(*args, **kwargs)
        result.result()
        return result


def test_the_speed_in_a_row_counts_the_updates_of_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither updates of an earlier process nor those before an evaluation come for nothing."""
    clock = 0.0

    def slowed(make: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def make_slow(*args: Any) -> Callable[..., Any]:
            function = make(*args)

            def slow(*args: Any) -> Any:
                nonlocal clock
                clock += seconds
                return function(*args)

            return slow

        return make_slow

    def run(stop: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(journal.time, "monotonic", lambda: clock)
            patch.setattr(dispatch_size, "SECONDS", 0.0)
            patch.setattr(loop, "make_train_steps", slowed(loop.make_train_steps, 1.0))
            patch.setattr(loop, "make_eval_step", slowed(loop.make_eval_step, 10.0))
            patch.setattr(loop, "ThreadPoolExecutor", AtOnce)
            if stop:
                after_update(patch, stop, terminate)
                with pytest.raises(Interrupted):
                    train_and_evaluate(tiny_config(), tmp_path)
            else:
                train_and_evaluate(tiny_config(), tmp_path)

    run(stop=3)
    run(stop=0)
    speeds = [
        row["examples_per_second"]
        for row in read_rows(tmp_path / "metrics.jsonl")
        if row["split"] == "train"
    ]
    assert speeds == [127.0] * 3


# ---- running on


def test_more_steps_continue_a_run_as_if_it_had_been_longer(tmp_path: Path) -> None:
    longer, grown = tmp_path / "longer", tmp_path / "grown"
    fields = {"training__log_every": 2, "training__eval_every": 4}
    train_and_evaluate(tiny_config(**fields, training__steps=12), longer)
    train_and_evaluate(tiny_config(**fields, training__steps=8), grown)
    train_and_evaluate(tiny_config(**fields, training__steps=12), grown)
    assert_same_run(grown, longer)
    assert read_config(grown / "config.json").training.steps == 12


@pytest.mark.slow
def test_more_steps_make_the_same_updates_even_where_no_period_ends(
    tmp_path: Path, uninterrupted: dict[str, Path]
) -> None:
    train_and_evaluate(tiny_config(training__steps=9), tmp_path)
    train_and_evaluate(tiny_config(), tmp_path)
    grown, whole = checkpoint(tmp_path), checkpoint(uninterrupted["adam"])
    assert arrays(grown.tree.state) == arrays(whole.tree.state)


def test_fewer_steps_than_were_made_are_refused(uninterrupted: dict[str, Path]) -> None:
    workdir = uninterrupted["adam"]
    before = rows(workdir), summary(workdir), read_config(workdir / "config.json")
    with pytest.raises(ConfigError, match="12"):
        train_and_evaluate(tiny_config(training__steps=9), workdir)
    assert (rows(workdir), summary(workdir), read_config(workdir / "config.json")) == before


def test_a_finished_run_called_again_touches_no_data(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_tasks, "load_image_set", lambda *args, **kwargs: kill())
    before = rows(uninterrupted["adam"]), summary(uninterrupted["adam"])
    assert train_and_evaluate(tiny_config(), uninterrupted["adam"]) == before[1]
    assert (rows(uninterrupted["adam"]), summary(uninterrupted["adam"])) == before


def test_another_seed_is_another_run(tmp_path: Path, uninterrupted: dict[str, Path]) -> None:
    train_and_evaluate(tiny_config(seed=1), tmp_path)
    other, one = checkpoint(tmp_path), checkpoint(uninterrupted["adam"])
    assert arrays(other.tree.state.params) != arrays(one.tree.state.params)


# ---- elsewhere


@pytest.mark.slow
@pytest.mark.ci
def test_the_backend_that_is_chosen_automatically_resumes_bit_for_bit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(recurrence__backend="auto")
    stop(monkeypatch, tmp_path / "stopped", config, step=6)
    train_and_evaluate(config, tmp_path / "stopped")
    train_and_evaluate(config, tmp_path / "whole")
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.slow
def test_a_run_inside_an_event_loop_such_as_a_notebook_saves_and_resumes(
    tmp_path: Path, uninterrupted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cell() -> None:
        stop(monkeypatch, tmp_path, step=6)
        train_and_evaluate(tiny_config(), tmp_path)

    asyncio.run(cell())
    assert_same_run(tmp_path, uninterrupted["adam"])


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_goes_on_with_another_number_of_devices(tmp_path: Path) -> None:
    """Sums are taken in another order then, so it is close and not the same."""
    two = {"training__batch_size": 32, "training__steps": 6}
    config = write_config(tmp_path, **two)
    script = (
        "import sys, jax; jax.config.update('jax_num_cpu_devices', 2); "
        "from pathlib import Path; from asrnn.training.loop import train_and_evaluate; "
        "sys.path.insert(0, '.'); from tiny import get_config; "
        "train_and_evaluate(get_config(), Path('run'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert config.exists()
    fields = two | {"training__steps": 12}
    train_and_evaluate(tiny_config(**fields), tmp_path / "run")
    train_and_evaluate(tiny_config(**fields), tmp_path / "one")
    for left, right in zip(
        jax.tree.leaves(checkpoint(tmp_path / "run").tree.state.params),
        jax.tree.leaves(checkpoint(tmp_path / "one").tree.state.params),
        strict=True,
    ):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
