"""Losses and durations are short, and a line for nobody is no error."""

from __future__ import annotations

import sys

import pytest

from asrnn.console import duration, loss_text, nonzero, to_stderr


def test_a_reader_that_is_gone_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, text: str) -> None:
            raise BrokenPipeError

        flush = isatty = fileno = write  # type: ignore[assignment]

    monkeypatch.setattr(sys, "stderr", Gone())
    to_stderr("nobody hears it")


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (2.30259, "2.3026"),
        (0.0, "0.0000"),
        (1.25e-5, "1.25e-05"),
        (999_999.5, "999999.5000"),
        (1e6, "1e+06"),
        (1.2345678e38, "1.23457e+38"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_loss_is_short(loss: float, text: str) -> None:
    assert loss_text(loss) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (90, "1m30s"),
        (3599.7, "1h00m"),
        (3661, "1h01m"),
        (360000, "100h00m"),
    ],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_did_not_happen_is_left_out() -> None:
    assert nonzero({"finished": 3, "diverged": 0, "running": 1}) == ["3 finished", "1 running"]
    assert nonzero({"diverged": 0}) == []
