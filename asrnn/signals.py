"""Stop signals: a command leaves, a run notes them, saves and then leaves with code 75.

The package takes them as it is imported, if that is for a command, for the other imports take
seconds; `asrnn.command` and `StopRequest` follow. So this file imports next to nothing.
"""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def take_for_a_command() -> None:
    """Takes the signals if this process is a `python -m asrnn.<command>` that is being imported.

    Whoever imports the package as a library keeps theirs.
    """
    if sys.argv[:1] != ["-m"] or "-m" not in sys.orig_argv:  # so it is while runpy imports
        return
    package, _, command = sys.orig_argv[sys.orig_argv.index("-m") + 1].partition(".")
    if package == "asrnn" and command.isidentifier():
        for number in STOP_SIGNALS:
            signal.signal(number, leave)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once: an exception would get lost where imports catch everything."""
    from asrnn.errors import Interrupted

    name = signal.Signals(number).name
    said = f"stopped by {name}; what was saved is kept, run the same command again"
    os.write(2, f"{command_name()}: {said}\n".encode())
    os._exit(Interrupted.exit_code)


def command_name() -> str:
    """For example "asrnn.train"; "asrnn" as long as Python has not found out itself."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec is not None else "asrnn"


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
