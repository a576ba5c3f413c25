"""The signals of schedulers, shells and terminals, sent to a command that trains."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.runs import (
    PATIENCE,
    Process,
    checkpoint,
    command,
    environment,
    one_line,
    rows,
    summary,
    write_config,
)

ENDLESS = 10**9
BUSY = {
    "training__steps": ENDLESS,
    "training__log_every": 3,
    "training__eval_every": 10,
    "training__checkpoint_every": 7,
}


@pytest.fixture(autouse=True)
def hangup_obeyed() -> Iterator[None]:
    """Processes inherit from whoever runs the tests whether they ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def train(folder: Path, *before: str) -> Process:
    config = write_config(folder, **BUSY)
    args = command("train", f"--config={config}", f"--workdir={folder / 'run'}")
    return Process([*before, *args], folder)


def under_way(folder: Path) -> bool:
    return len(rows(folder / "run")) >= 3


def assert_saved(folder: Path) -> None:
    outcome = summary(folder / "run")
    assert outcome["status"] == "stopped"
    assert outcome["steps"] == checkpoint(folder / "run").step > 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGUSR2, marks=pytest.mark.ci), signal.SIGHUP]
)
def test_the_signals_of_submitit_and_of_a_closed_terminal_save_too(
    number: signal.Signals, tmp_path: Path
) -> None:
    with train(tmp_path) as process:
        process.wait_until(lambda: under_way(tmp_path))
        process.send(number)
        assert process.code() == 75
        assert f"stopped by {number.name} at step" in one_line(process.stderr)
    assert_saved(tmp_path)


@pytest.mark.slow
def test_under_nohup_a_run_outlives_the_hangup(tmp_path: Path) -> None:
    with train(tmp_path, "nohup") as process:
        process.wait_until(lambda: under_way(tmp_path))
        process.send(signal.SIGHUP)
        seen = len(rows(tmp_path / "run"))
        process.wait_until(lambda: len(rows(tmp_path / "run")) > seen + 2)
        process.send(signal.SIGTERM)
        assert process.code() == 75
        assert "stopped by SIGTERM at step" in one_line(process.stderr)
    assert_saved(tmp_path)


# A process whose controlling terminal is the one given as its standard streams.
ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_whose_terminal_is_closed_saves_though_nothing_can_be_said(tmp_path: Path) -> None:
    config = write_config(tmp_path, **BUSY)
    run = command("train", f"--config={config}", f"--workdir={tmp_path / 'run'}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *run],
        cwd=tmp_path,
        env=environment(TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        deadline = time.monotonic() + PATIENCE
        while not under_way(tmp_path):
            assert process.poll() is None
            assert time.monotonic() < deadline
            os.set_blocking(ours, False)
            try:
                os.read(ours, 65536)  # or the terminal is full, and the run waits for us
            except BlockingIOError:
                time.sleep(0.01)
        os.close(ours)
        assert process.wait(PATIENCE) == 75
    finally:
        process.kill()
        process.wait()
    assert_saved(tmp_path)


def twice(folder: Path, pause: float) -> None:
    """Ctrl-C during a run, and once more after a pause."""
    folder.mkdir()
    with train(folder) as process:
        process.wait_until(lambda: under_way(folder))
        process.send(signal.SIGINT)
        time.sleep(pause)
        process.send(signal.SIGINT)
        code = process.code()
        said = process.stderr
    last = one_line(said)
    assert [line for line in said.splitlines() if line.startswith("asrnn.train: ")] == [last]
    assert code in (75, 130), said
    if code == 75:
        assert "state saved" in last
        assert_saved(folder)
    else:
        assert "interrupted again; what was saved is kept" in last
        checkpoint(folder / "run")


@pytest.mark.slow
def test_two_interrupts_end_a_run_in_one_line_that_is_true(tmp_path: Path) -> None:
    for index, pause in enumerate((0.0, 0.05, 0.3)):
        twice(tmp_path / str(index), pause)


@pytest.mark.slow
def test_thirty_times_two_interrupts_end_in_one_line_that_is_true(tmp_path: Path) -> None:
    pauses = random.Random(0)
    for index in range(30):
        twice(tmp_path / str(index), pauses.uniform(0.0, 1.0))
