"""A progress bar on a terminal, plain lines every few seconds elsewhere."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asrnn.training import display as module
from asrnn.training.display import Display
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import command, environment, tiny_config, write_config

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_terminal_a_bar_shows_loss_accuracy_speed_and_time_left(tmp_path: Path) -> None:
    import pty

    periods = {
        "training__log_every": 20,
        "training__eval_every": 500,
        "training__checkpoint_every": 500,
    }
    config = write_config(tmp_path, training__steps=300, **periods)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("train", f"--config={config}", f"--workdir={tmp_path / 'run'}"),
        cwd=tmp_path,
        env=environment(TERM="xterm-256color", COLUMNS="160"),
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 1)
            try:
                chunk = os.read(ours, 65536) if ready else b"."
            except OSError:  # the other end is closed
                break
            shown += chunk if ready else b""
        os.close(ours)
        assert process.wait(10) == 0
    text = MOVES.sub("\n", COLOURS.sub("", shown.decode()))
    assert "starting, workdir" in text
    bars = [line for line in text.splitlines() if "/300" in line]
    assert len(bars) > 2
    middle = [line for line in bars if "loss" in line and "300/300" not in line]
    assert any(
        re.search(r"\d+/300 .*steps/s .*(\d+:)?\d+:\d+ .*loss \d\.\d{4}  accuracy \d+\.\d%", line)
        for line in middle
    ), bars
    assert re.search(r"300/300 .* test \d+\.\d%", bars[-1])
    assert "\x1b" in shown.decode()


def test_elsewhere_there_are_plain_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLAIN_LINE_EVERY", 0.0)
    train_and_evaluate(tiny_config(), tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert "\r" not in err
    lines = [line for line in err.splitlines() if line.startswith("step ")]
    assert re.fullmatch(
        r"step \d+/12  [\d.e+]+ steps/s  loss \d\.\d{4}  accuracy \d+\.\d%  \d+s left",
        next(line for line in lines if "loss" in line),
    )
    assert re.search(r"step 12/12 .* test \d+\.\d%$", lines[-1])


def test_plain_lines_are_seconds_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    with Display(1000, 400) as display:
        for step in range(401, 501):
            clock += 0.5
            display.advance(step)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "step 421/1000",
        "step 442/1000",
        "step 463/1000",
        "step 484/1000",
        "step 500/1000",
    ]
    assert "2 steps/s" in lines[-1]
    assert "4m10s left" in lines[-1]


def test_a_silent_display_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(10, 0, silent=True) as display:
        display.message("hello")
        display.show({"split": "train", "loss": 1.0, "accuracy": 0.5})
        display.advance(3)
    assert capsys.readouterr().err == ""


def test_a_score_that_is_not_finite_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(10, 0) as display:
        display.show({"split": "train", "loss": float("nan"), "accuracy": 0.5})
        display.advance(3)
    assert "loss nan  accuracy 50.0%" in capsys.readouterr().err


def test_nothing_is_estimated_from_the_first_dispatches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    with Display(1000, 0) as display:
        for step, seconds in ((1, 30), (3, 11), (7, 11), (18, 8)):  # the first one compiles
            clock += seconds
            display.advance(step)
    assert capsys.readouterr().err.splitlines() == [
        "step 1/1000",
        "step 3/1000",
        "step 7/1000",
        "step 18/1000  0.567 steps/s  28m53s left",
    ]
