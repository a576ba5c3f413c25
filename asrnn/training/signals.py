"""Stopping on a signal: note it, finish the update at hand, save, leave with code 75."""

import signal
import threading
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Within this context the first stop signal is noted instead of obeyed.

    A second SIGINT interrupts at once, for the user who cannot wait. Outside the main
    thread, where Python allows no handlers, signals keep their usual effect.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, signal._HANDLER | None] = {}

    def __enter__(self) -> "StopRequest":
        self.retake()
        return self

    def retake(self) -> None:
        """Takes the signals back from a library that has put its own handlers in place."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                previous = signal.signal(number, self._note)
                self._previous.setdefault(number, previous)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
