"""A progress bar on a terminal, plain lines every few seconds elsewhere."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from asrnn.objectives import CROSS_ENTROPY
from asrnn.training import display as module
from asrnn.training.display import Display
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import PATIENCE, tiny_config

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Terminal:
    """A pseudo-terminal in place of stderr; a thread reads what is shown, so that none is full."""

    def __init__(self) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w")
        self._shown = b""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while chunk := os.read(self._ours, 65536):
                with self._more:
                    self._shown += chunk
                    self._more.notify()

    def wait_for(self, pattern: str) -> None:
        """Waits until it is shown on a line."""
        with self._more:
            assert self._more.wait_for(lambda: re.search(pattern, self.text()), PATIENCE)

    def text(self) -> str:
        """What was shown so far, without colours, a line for each move."""
        return MOVES.sub("\n", COLOURS.sub("", self._shown.decode(errors="ignore")))

    def close(self) -> None:
        self.stream.close()
        self._reader.join()
        os.close(self._ours)


def test_on_a_narrow_terminal_only_the_scores_are_cut() -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    bar = module._progress_bar(console)
    scores = "loss 0.0065  accuracy 100.0%  validation 92.5%  and one more 0.12345"
    bar.add_task("", total=40_000, completed=30_000, speed="92.1 steps/s", scores=scores)
    console.print(bar.get_renderable())
    line = console.file.getvalue().strip()  # type: ignore[attr-defined]
    assert "30000/40000 92.1 steps/s" in line and "loss 0.0065  accuracy" in line
    assert line.endswith("…") and len(line) <= 80


def test_the_score_of_the_test_stands_beside_that_of_the_validation_alone() -> None:
    display = Display(CROSS_ENTROPY, total=9, first=0, silent=True)
    display.show({"split": "train", "loss": 0.5, "accuracy": 0.75})
    display.show({"split": "validation", "loss": 0.5, "accuracy": 0.5})
    assert display._scores_text() == "loss 0.5000  accuracy 75.0%  validation 50.0%"
    display.show({"split": "test", "loss": 0.5, "accuracy": 0.25})
    assert display._scores_text() == "validation 50.0%  test 25.0%"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_terminal_a_bar_shows_loss_accuracy_speed_and_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    with Display(CROSS_ENTROPY, 300, 0) as display:
        display.message("starting")
        for step in range(50, 301, 50):
            clock += 2.0
            display.advance(step)
            display.show({"split": "train", "loss": 2.0, "accuracy": 0.25})
            if step == 200:
                scores = r"loss 2\.0000  accuracy 25\.0%"
                terminal.wait_for(rf"200/300 +25 steps/s +(\d+:)?\d+:\d+ +{scores}")
        display.show({"split": "test", "loss": 2.0, "accuracy": 0.5})
    monkeypatch.undo()
    terminal.close()
    assert "starting" in terminal.text().splitlines()
    assert re.search(r"300/300 .* test 50\.0%", terminal.text())


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
    with Display(CROSS_ENTROPY, 1000, 400) as display:
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
    with Display(CROSS_ENTROPY, 10, 0, silent=True) as display:
        display.message("hello")
        display.show({"split": "train", "loss": 1.0, "accuracy": 0.5})
        display.advance(3)
    assert capsys.readouterr().err == ""


def test_a_score_that_is_not_finite_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(CROSS_ENTROPY, 10, 0) as display:
        display.show({"split": "train", "loss": float("nan"), "accuracy": 0.5})
        display.advance(3)
    assert "loss nan  accuracy 50.0%" in capsys.readouterr().err


def test_nothing_is_estimated_from_the_first_dispatches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    with Display(CROSS_ENTROPY, 1000, 0) as display:
        for step, seconds in ((1, 30), (3, 11), (7, 11), (18, 8)):  # the first one compiles
            clock += seconds
            display.advance(step)
    assert capsys.readouterr().err.splitlines() == [
        "step 1/1000",
        "step 3/1000",
        "step 7/1000",
        "step 18/1000  0.567 steps/s  28m53s left",
    ]


def test_a_run_that_ends_early_has_no_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(CROSS_ENTROPY, 1000, 0) as display:
        for step in range(1, 8):
            display.advance(step)
        display.end_at(7)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("step 7/7")
    assert "left" not in last
