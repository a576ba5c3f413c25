"""Counting: a bar on a terminal, that goes; a line every few seconds elsewhere."""

from __future__ import annotations

import io
import re

import pytest

from asrnn import progress as module
from asrnn.progress import Progress

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A terminal in place of stderr."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_counts_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", screen := Screen())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    with Progress("test examples", 10_000) as progress:
        progress.advance(2_500)
        progress.advance(5_000)
        assert progress._bar is not None
        progress._bar.refresh()
    shown = COLOURS.sub("", screen.getvalue())
    assert "7500/10000 test examples" in shown
    assert screen.getvalue().endswith("\x1b[2K")  # the line of the bar is erased


def test_elsewhere_a_line_comes_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("examples", 4_000) as progress:
        progress.advance(1_000)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(module, "PLAIN_LINE_EVERY", -1.0)
        progress.advance(500)
    assert capsys.readouterr().err == "1,500/4,000 examples\n"
