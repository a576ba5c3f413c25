"""A stop request is noted once and leaves the caller's handlers as they were."""

from __future__ import annotations

import signal
import threading

import pytest

from asrnn.signals import STOP_SIGNALS, StopRequest


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_noted_and_not_obeyed(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert stop.received is None
        signal.raise_signal(number)
        assert stop.received is number


def test_every_signal_of_the_contract_is_one() -> None:
    assert set(STOP_SIGNALS) == {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}


@pytest.mark.parametrize("first", STOP_SIGNALS)
def test_an_interrupt_after_another_signal_is_obeyed_at_once(first: signal.Signals) -> None:
    with StopRequest():
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


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
    assert set_to == [signal.SIG_DFL] * 3


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
