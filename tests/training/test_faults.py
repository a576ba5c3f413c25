"""Signals, kills, full disks and second writers cost at most one save interval."""

from __future__ import annotations

import random
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, DataError, Interrupted, WorkdirInUse
from asrnn.runs.workdir import read_config
from asrnn.signals import obeyed
from asrnn.tasks.images import tasks as image_tasks
from asrnn.training import loop
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import (
    Killed,
    Process,
    after_update,
    arrays,
    assert_same_run,
    call,
    checkpoint,
    command,
    kill,
    kill_after,
    one_line,
    rows,
    steps_kept,
    summary,
    tiny_config,
    write_config,
)

ENDLESS = 10**9
# Many rows, evaluations and above all saves, so that a kill often comes in the middle of one.
BUSY = {
    "training__steps": ENDLESS,
    "training__log_every": 3,
    "training__eval_every": 10,
    "training__checkpoint_every": 7,
}


def train(folder: Path, config: Path, **changes: str) -> Process:
    args = command("train", f"--config={config}", f"--workdir={folder / 'run'}")
    return Process(args, folder, **changes)


def assert_equals_an_undisturbed_run(workdir: Path, undisturbed: Path) -> None:
    """Runs on for some steps, and makes as many in one go."""
    config = read_config(workdir / "config.json")
    config.training.steps = -(-(checkpoint(workdir).step + 1) // 30) * 30
    train_and_evaluate(config, workdir)
    config.training.checkpoint_every = config.training.steps
    train_and_evaluate(config, undisturbed)
    assert_same_run(workdir, undisturbed)


# ---- signals


def test_a_signal_ends_a_command_with_code_75_and_the_state_saved(tmp_path: Path) -> None:
    config = write_config(tmp_path, **BUSY | {"training__checkpoint_every": ENDLESS // 2})
    workdir = tmp_path / "run"
    with train(tmp_path, config) as process:
        process.wait_until(lambda: len(rows(workdir)) >= 3)
        process.send(signal.SIGTERM)
        assert process.code() == 75
        line = one_line(process.stderr, "asrnn.train: stopped by ")
    outcome = summary(workdir)
    step = checkpoint(workdir).step
    assert outcome["status"] == "stopped"
    assert outcome["steps"] == step > 6
    assert f"stopped by SIGTERM at step {step} of {ENDLESS}" in line
    assert "run the same command again" in line


def while_compiling(monkeypatch: pytest.MonkeyPatch, *numbers: signal.Signals) -> None:
    """Sends signals between the start of the run and its first update, which is being compiled."""
    make = loop.make_train_steps
    pending = list(numbers)

    def make_disturbed(*args: Any) -> Any:
        train_steps = make(*args)

        def disturbed(*args: Any) -> Any:
            while pending:
                signal.raise_signal(pending.pop(0))
            return train_steps(*args)

        return disturbed

    monkeypatch.setattr(loop, "make_train_steps", make_disturbed)


def test_a_signal_during_compilation_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_compiling(monkeypatch, signal.SIGTERM)
    with pytest.raises(Interrupted, match="stopped by SIGTERM at step 1 of 12, state saved"):
        train_and_evaluate(tiny_config(), tmp_path)
    assert checkpoint(tmp_path).step == summary(tmp_path)["steps"] == 1


def test_a_second_interrupt_leaves_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    while_compiling(monkeypatch, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_and_evaluate(tiny_config(), tmp_path)
    assert steps_kept(tmp_path) == []


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    def handler(*args: object) -> None:
        raise AssertionError("no signal is sent")

    before = signal.signal(signal.SIGUSR1, handler)
    outcomes: list[Any] = []

    def run() -> None:
        outcomes.append(train_and_evaluate(tiny_config(), tmp_path))
        outcomes.append(signal.getsignal(signal.SIGUSR1))

    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert outcomes[0]["status"] == "done"
    assert outcomes[1] is handler


@pytest.mark.parametrize("end", [signal.SIGTERM, Killed], ids=["stopped", "killed"])
def test_the_handlers_of_the_caller_come_back_however_a_run_ends(
    end: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = obeyed()
    before = [signal.getsignal(number) for number in numbers]
    during: list[object] = []

    def act() -> None:
        during.extend(signal.getsignal(number) for number in numbers)
        if end is Killed:
            kill()
        signal.raise_signal(signal.SIGTERM)

    after_update(monkeypatch, 2, act)
    with pytest.raises((Interrupted, Killed)):
        train_and_evaluate(tiny_config(), tmp_path)
    assert not set(during) & set(before)
    assert [signal.getsignal(number) for number in numbers] == before


# ---- kill -9


def survives_kills(folder: Path, kills: int, seed: int) -> None:
    """Starts, kills and checks again and again, then compares with an undisturbed run."""
    config, workdir = write_config(folder, **BUSY), folder / "run"
    clock = random.Random(seed)
    saved = 0
    for _ in range(kills):
        with train(folder, config) as process:
            process.wait_until(
                lambda start=saved: max(steps_kept(workdir), default=0) > start  # type: ignore[misc]
            )
            time.sleep(clock.uniform(0, 0.5))
            seen = max(steps_kept(workdir), default=0)
            process.send(signal.SIGKILL)
            assert process.code() == -signal.SIGKILL
        # Whatever has a manifest is whole; the steps between two saves are all that is lost.
        now = checkpoint(workdir).step
        assert now >= seen > saved
        recorded = [row["step"] for row in rows(workdir)]
        assert recorded[-1] <= now + BUSY["training__checkpoint_every"]
        saved = now
    assert_equals_an_undisturbed_run(workdir, folder / "undisturbed")


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_survives_being_killed_at_random_moments(tmp_path: Path) -> None:
    survives_kills(tmp_path, kills=2, seed=0)


@pytest.mark.slow
def test_a_run_survives_being_killed_thirty_times_at_random_moments(tmp_path: Path) -> None:
    survives_kills(tmp_path, kills=30, seed=1)


# ---- a second writer


@pytest.mark.slow
def test_a_second_writer_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    config = write_config(tmp_path, **BUSY)
    workdir = tmp_path / "run"
    with train(tmp_path, config) as process:
        process.wait_until(lambda: bool(steps_kept(workdir)))
        second = call("train", f"--config={config}", f"--workdir={workdir}", cwd=tmp_path)
        assert second.returncode == 6
        line = one_line(second.stderr, "asrnn.train: ")
        assert str(workdir) in line
        assert "in use" in line
        assert second.stdout == ""
        before = len(rows(workdir))
        process.wait_until(lambda: len(rows(workdir)) > before)  # the first was not disturbed
        process.send(signal.SIGKILL)
        process.code()
    step = checkpoint(workdir).step
    ending = read_config(workdir / "config.json")
    ending.training.steps = step + 3
    assert train_and_evaluate(ending, workdir)["steps"] == step + 3


def test_a_second_writer_in_the_same_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[WorkdirInUse] = []

    def enter_again() -> None:
        with pytest.raises(WorkdirInUse, match="in use by another run") as error:
            train_and_evaluate(tiny_config(), tmp_path)
        refused.append(error.value)

    after_update(monkeypatch, 2, enter_again)
    assert train_and_evaluate(tiny_config(), tmp_path)["status"] == "done"
    assert len(refused) == 1


# ---- the disk


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "step", "file"),
    [
        pytest.param(1200, 11, "checkpoints", id="checkpoint"),
        pytest.param(100, 9, "metrics.jsonl", id="metrics", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_ends_a_run_in_one_line_with_what_was_saved_before_whole(
    size: int,
    step: int,
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    limit = files_no_larger_than(size)
    with monkeypatch.context() as patch:
        after_update(patch, step, limit.__enter__)
        try:
            with pytest.raises(CheckpointError, match=f"cannot write .*{file}") as error:
                train_and_evaluate(tiny_config(), tmp_path / "run")
        finally:
            limit.__exit__(None, None, None)
    assert "\n" not in str(error.value)
    assert "run the same command again" in str(error.value)
    assert "Traceback" not in capsys.readouterr().err
    assert checkpoint(tmp_path / "run").step == 8
    train_and_evaluate(tiny_config(), tmp_path / "run")
    train_and_evaluate(tiny_config(), tmp_path / "undisturbed")
    assert_same_run(tmp_path / "run", tmp_path / "undisturbed")


def test_a_full_disk_at_the_start_is_one_line(tmp_path: Path) -> None:
    with files_no_larger_than(100), pytest.raises(CheckpointError, match=r"config\.json") as error:
        train_and_evaluate(tiny_config(), tmp_path)
    assert "\n" not in str(error.value)


def test_a_checkpoint_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot write .*checkpoints") as error:
        train_and_evaluate(tiny_config(), tmp_path)
    assert "\n" not in str(error.value)


def test_a_workdir_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for workdir in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/asrnn")):
        with pytest.raises(CheckpointError, match=f"cannot write to workdir {workdir}"):
            train_and_evaluate(tiny_config(), workdir)


# ---- damage found on resuming


def test_all_checkpoints_damaged_is_an_error_of_one_line_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_after(monkeypatch, tmp_path, 9)
    for step in steps_kept(tmp_path):
        (tmp_path / "checkpoints" / str(step) / "_METADATA").unlink()
    before = rows(tmp_path)
    with pytest.raises(CheckpointError, match="every checkpoint") as error:
        train_and_evaluate(tiny_config(), tmp_path)
    assert error.value.exit_code == 5
    assert rows(tmp_path) == before
    assert capsys.readouterr().err.count("is damaged (") == 2


def test_a_run_without_data_leaves_a_workdir_that_can_still_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was trained, so another config may take the folder over."""

    def missing(*args: object, **kwargs: object) -> None:
        raise DataError("no data")

    with monkeypatch.context() as patch:
        patch.setattr(image_tasks, "load_image_set", missing)
        with pytest.raises(DataError):
            train_and_evaluate(tiny_config(model__hidden_size=9), tmp_path)
    assert train_and_evaluate(tiny_config(), tmp_path)["status"] == "done"


@pytest.mark.parametrize("kept", [False, True])
def test_a_run_without_data_leaves_no_empty_folder(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before stays, and so does what somebody else has put there."""

    def missing(*args: object, **kwargs: object) -> None:
        if kept:
            (tmp_path / "runs" / "note").touch()
        raise DataError("no data")

    monkeypatch.setattr(image_tasks, "load_image_set", missing)
    with pytest.raises(DataError):
        train_and_evaluate(tiny_config(), tmp_path / "runs" / "mine")
    assert [path.name for path in tmp_path.iterdir()] == (["runs"] if kept else [])
    assert not (tmp_path / "runs" / "mine").exists()


@pytest.mark.slow
def test_a_kill_at_the_first_update_leaves_nothing_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, tmp_path / "killed", 1)
    train_and_evaluate(tiny_config(), tmp_path / "killed")
    train_and_evaluate(tiny_config(), tmp_path / "undisturbed")
    assert_same_run(tmp_path / "killed", tmp_path / "undisturbed")
    assert arrays(checkpoint(tmp_path / "killed").tree)
