"""A stop request is noted once and leaves the caller's handlers as they were."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from asrnn import signals
from asrnn.signals import STOP_SIGNALS, StopRequest


@pytest.fixture(autouse=True)
def hangup_obeyed() -> Iterator[None]:
    """Whoever runs the tests under nohup has them ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_noted_and_not_obeyed(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert stop.received is None
        signal.raise_signal(number)
        assert stop.received is number


def test_every_signal_of_the_contract_is_one() -> None:
    schedulers = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
    assert set(STOP_SIGNALS) == schedulers | {signal.SIGINT, signal.SIGHUP}


def test_a_process_that_ignores_the_hangup_goes_on_ignoring_it() -> None:
    """So nohup has it, and a run is to outlive its terminal then."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.received is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.received is signal.SIGTERM
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("first", STOP_SIGNALS)
def test_an_interrupt_after_another_signal_is_obeyed_at_once(first: signal.Signals) -> None:
    with StopRequest():
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


class Left(BaseException):
    """Stands for the end of the process."""


def test_a_second_interrupt_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise Left

    monkeypatch.setattr(signals.os, "_exit", end)
    before = signal.signal(signal.SIGINT, signals.leave)  # so a command has it
    try:
        with StopRequest():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Left):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert codes == [130]
    line = capfd.readouterr().err
    assert line.endswith(
        ": interrupted again; what was saved is kept, run the same command again\n"
    )
    assert line.count("\n") == 1


def test_a_signal_after_the_last_line_changes_neither_line_nor_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(signals.os, "_exit", codes.append)
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    try:
        signals.leave_with(75)
        for number in STOP_SIGNALS:
            signal.raise_signal(number)
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            signal.signal(number, handler)
    assert codes == [75] * len(STOP_SIGNALS)
    assert capfd.readouterr().err == ""


def test_a_scheduler_may_repeat_itself() -> None:
    with StopRequest() as stop:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM):
            signal.raise_signal(number)
    assert stop.received is not None


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL, lambda *args: None])
def test_handlers_are_restored_also_after_an_error(handler: object) -> None:
    before = signal.signal(signal.SIGUSR1, handler)  # type: ignore[arg-type]
    try:
        with pytest.raises(ZeroDivisionError), StopRequest():
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGUSR1) == handler
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_signals_are_taken_back_from_a_library_and_then_left_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        signal.signal(signal.SIGTERM, lambda *args: pytest.fail("the library has it"))
        stop.retake()
        signal.raise_signal(signal.SIGTERM)
        assert stop.received is signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_that_python_does_not_know_becomes_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_to: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_to.append(handler))
    with StopRequest():
        set_to.clear()
    assert set_to == [signal.SIG_DFL] * len(STOP_SIGNALS)


def test_outside_the_main_thread_no_handler_is_touched() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def enter() -> None:
        with StopRequest() as stop:
            seen.extend((signal.getsignal(signal.SIGTERM), stop.received))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before, None]
