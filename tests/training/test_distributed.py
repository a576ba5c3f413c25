"""Two processes on this machine train as one: one writer, one end, whoever is told to stop."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.runs.workdir import open_workdir
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import (
    PATIENCE,
    Process,
    checkpoint,
    command,
    one_line,
    rows,
    steps_kept,
    summary,
    tiny_config,
    write_config,
)

# Adam would turn the rounding of small gradients into whole steps.
FIELDS = {"training__batch_size": 32, "optimizer__name": "sgd"}
EXAMINED = FIELDS | {"training__diagnostics_every": 5}
WORKDIRS = ("run", "unused")
ENDLESS = FIELDS | {"training__steps": 10**9, "training__checkpoint_every": 10**8}


@contextmanager
def two_processes(
    folder: Path, *changes: dict[str, Any], **environment: str
) -> Iterator[tuple[Process, Process]]:
    """Starts both, each in a folder of its own; kills them on leaving.

    The workdir of the first is `run`; the second is told of one that it has no use for.

    Args:
      folder: where all this is.
      changes: of the tiny config; one dict, or one for each process.
      environment: changes of it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for index in range(2):
        own = folder / f"process{index}"
        own.mkdir(parents=True, exist_ok=True)
        config = write_config(own, **changes[index % len(changes)])
        args = command(
            "train",
            *("--distributed", f"--coordinator_address={address}"),
            *("--num_processes=2", f"--process_id={index}"),
            *(f"--config={config}", f"--workdir={folder / WORKDIRS[index]}"),
        )
        processes.append(Process(args, own, **environment))
    with processes[0] as zero, processes[1] as one:
        yield zero, one


def output(folder: Path, index: int) -> list[str]:
    """What a process printed, without what gloo, which connects them, has to say."""
    lines = (folder / f"process{index}" / "stdout.txt").read_text().splitlines()
    return [line for line in lines if "[Gloo]" not in line]


def assert_close(one: Path, other: Path) -> None:
    """The same parameters but for the order in which sums were taken."""
    first, second = checkpoint(one), checkpoint(other)
    assert first.step == second.step
    for left, right in zip(
        jax.tree.leaves(first.tree.state.params),
        jax.tree.leaves(second.tree.state.params),
        strict=True,
    ):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, compilation_cache: Path) -> Path:
    """What a run of two processes left."""
    folder = tmp_path_factory.mktemp("finished")
    with two_processes(folder, EXAMINED) as processes:
        codes = [process.code(PATIENCE) for process in processes]
        assert codes == [0, 0], [process.stderr for process in processes]
    return folder


@pytest.mark.slow
def test_two_processes_train_as_one_does(finished: Path, tmp_path: Path) -> None:
    alone = train_and_evaluate(tiny_config(**EXAMINED), tmp_path)
    assert_close(finished / "run", tmp_path)
    assert [(row["step"], row["split"]) for row in rows(finished / "run")] == [
        (row["step"], row["split"]) for row in rows(tmp_path)
    ]
    for row, same in zip(rows(finished / "run"), rows(tmp_path), strict=True):
        for name in row.keys() & {"loss", "gradient_first", "gradient_last", "lyapunov"}:
            assert row[name] == pytest.approx(same[name], rel=1e-4, abs=1e-7)
    assert summary(finished / "run")["test_accuracy"] == alone["test_accuracy"]


@pytest.mark.slow
def test_the_first_process_shows_and_writes_and_the_other_is_silent(finished: Path) -> None:
    assert any("test accuracy" in line for line in output(finished, 0))
    assert (finished / "run" / "learning_curve.png").exists()
    assert output(finished, 1) == []
    assert (finished / "process1" / "stderr.txt").read_text() == ""
    written = {path.name for path in (finished / "process1").iterdir()}
    assert written <= {"stdout.txt", "stderr.txt", "tiny.py", "__pycache__"}
    assert not (finished / "unused").exists()


@pytest.mark.slow
def test_the_summary_counts_processes_and_devices(finished: Path) -> None:
    assert re.match(r"2 processes, \d+ devices: cpu", summary(finished / "run")["device"])


@pytest.mark.slow
@pytest.mark.ci
def test_a_signal_to_one_process_stops_both_at_the_same_step_and_one_process_goes_on(
    tmp_path: Path,
) -> None:
    workdir = tmp_path / "run"
    with two_processes(tmp_path, ENDLESS) as processes:
        processes[0].wait_until(lambda: len(rows(workdir)) >= 3, PATIENCE)
        processes[1].send(signal.SIGTERM)
        assert [process.code(PATIENCE) for process in processes] == [75, 75]
        lines = [one_line(process.stderr, "asrnn.train: stopped by ") for process in processes]
    assert lines[0] == lines[1]
    step = checkpoint(workdir).step
    assert f"stopped by SIGTERM at step {step} of" in lines[0]
    assert summary(workdir)["status"] == "stopped"
    assert summary(workdir)["steps"] == step > 10
    longer = ENDLESS | {"training__steps": step + 8}
    assert train_and_evaluate(tiny_config(**longer), workdir)["steps"] == step + 8
    train_and_evaluate(tiny_config(**longer), tmp_path / "undisturbed")
    assert_close(workdir, tmp_path / "undisturbed")
    recorded = [row["step"] for row in rows(workdir) if row["split"] == "train"]
    assert recorded == sorted({*range(5, step + 8, 5), step + 8})


@pytest.mark.slow
def test_two_processes_go_on_with_the_run_of_one(tmp_path: Path) -> None:
    train_and_evaluate(tiny_config(**FIELDS | {"training__steps": 9}), tmp_path / "run")
    with two_processes(tmp_path, FIELDS) as processes:
        assert [process.code(PATIENCE) for process in processes] == [0, 0]
        assert "resuming at step 9" in processes[0].stderr
    train_and_evaluate(tiny_config(**FIELDS), tmp_path / "alone")
    assert_close(tmp_path / "run", tmp_path / "alone")


# ---- what ends one ends the other


@pytest.mark.slow
def test_only_the_first_process_reads_the_network_that_both_start_from(tmp_path: Path) -> None:
    """Each process has a folder of its own; the other network lies in that of the first."""
    train_and_evaluate(tiny_config(**FIELDS), tmp_path / "process0" / "teacher")
    fields = FIELDS | {"training__init_from": "teacher"}
    with two_processes(tmp_path, fields) as processes:
        codes = [process.code(PATIENCE) for process in processes]
        assert codes == [0, 0], [process.stderr for process in processes]
    source = str(tmp_path / "process0" / "teacher")
    train_and_evaluate(tiny_config(**FIELDS, training__init_from=source), tmp_path / "alone")
    assert_close(tmp_path / "run", tmp_path / "alone")
    found = [summary(tmp_path / name)["init_from"] for name in ("run", "alone")]
    assert found[0]["sha256"] == found[1]["sha256"]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_both(tmp_path: Path) -> None:
    fields = FIELDS | {"optimizer__learning_rate": 3e38}
    with two_processes(tmp_path, fields) as processes:
        assert [process.code(PATIENCE) for process in processes] == [4, 4]
        lines = [one_line(process.stderr, "asrnn.train: loss or gr") for process in processes]
    assert lines[0] == lines[1]
    assert summary(tmp_path / "run")["status"] == "diverged"


@pytest.mark.slow
def test_processes_with_different_flags_refuse_to_train(tmp_path: Path) -> None:
    with two_processes(tmp_path, FIELDS, FIELDS | {"training__steps": 20}) as processes:
        assert [process.code(PATIENCE) for process in processes] == [2, 2]
        for process in processes:
            assert "training.steps: 20, there 12" in one_line(process.stderr)
    assert steps_kept(tmp_path / "run") == []


@pytest.mark.slow
def test_a_workdir_in_use_ends_both(tmp_path: Path) -> None:
    with (
        open_workdir(tmp_path / "run", tiny_config(**FIELDS)),
        two_processes(tmp_path, FIELDS) as processes,
    ):
        assert [process.code(PATIENCE) for process in processes] == [6, 6]
        assert "in use" in one_line(processes[0].stderr)
        assert "process 0: workdir" in one_line(processes[1].stderr)


@pytest.mark.slow
def test_a_disk_that_refuses_a_checkpoint_ends_both(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("in the way")
    with two_processes(tmp_path, FIELDS) as processes:
        assert [process.code(PATIENCE) for process in processes] == [5, 5]
        for process in processes:
            assert "cannot write" in one_line(process.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_does_not_outlive_a_killed_one_for_long(killed: int, tmp_path: Path) -> None:
    """Where a survivor is not told at once, jax aborts it; what was saved is whole."""
    fields = ENDLESS | {"training__checkpoint_every": 20}
    with two_processes(tmp_path, fields) as processes:
        processes[0].wait_until(lambda: bool(steps_kept(tmp_path / "run")), PATIENCE)
        processes[killed].send(signal.SIGKILL)
        code = processes[1 - killed].code(PATIENCE)
        assert code in (75, -signal.SIGABRT)
        if code == 75:
            line = one_line(processes[1 - killed].stderr)
            assert "another process of this run is gone" in line
            assert "start all of them again" in line
    assert checkpoint(tmp_path / "run").step > 0
