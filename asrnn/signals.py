"""Stop signals: a command leaves, a run notes them, saves and then leaves with code 75.

The package takes them as it is imported, if that is for a command, for the other imports take
seconds; `asrnn.command` and `StopRequest` follow. So this file imports next to nothing.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import NoReturn

STOP_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGUSR1,
    signal.SIGUSR2,  # what submitit has SLURM send
    signal.SIGHUP,  # the terminal was closed
)
INTERRUPTED = 128 + signal.SIGINT
"""The exit code after a second Ctrl-C, as shells know it."""

SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it

_name = ""  # of the command, once it is known


def obeyed() -> tuple[signal.Signals, ...]:
    """The stop signals that end this process: nohup has it ignore SIGHUP, and so it stays."""
    hangup_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return STOP_SIGNALS[:-1] if hangup_ignored else STOP_SIGNALS


def take_for_a_command() -> None:
    """Takes the signals if this process is a `python -m asrnn.<command>` that is being imported.

    Whoever imports the package as a library keeps theirs.
    """
    if sys.argv[:1] != ["-m"] or "-m" not in sys.orig_argv:  # so it is while runpy imports
        return
    package, _, command = sys.orig_argv[sys.orig_argv.index("-m") + 1].partition(".")
    if package == "asrnn" and command.isidentifier():
        take_as(f"{package}.{command}")


def take_as(name: str) -> None:
    """Takes the signals for a command that its user calls by this name, "asrnn train" say."""
    global _name
    _name = name
    for number in obeyed():
        signal.signal(number, leave)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once: an exception would get lost where imports catch everything."""
    from asrnn.errors import Interrupted

    _leave_saying(f"stopped by {signal.Signals(number).name};", Interrupted.exit_code)


def _leave_saying(what: str, code: int) -> NoReturn:
    line = f"{command_name()}: {what} run the same command again\n"
    with suppress(OSError):  # the terminal may be gone
        os.write(2, (SHOW_CURSOR + b"\r\n" if os.isatty(2) else b"") + line.encode())
    os._exit(code)


def leave_with(code: int) -> None:
    """From now on stop signals end the process with this code and without a word.

    For a command that has said its last line: a signal that comes while Python ends changes neither
    what was said nor the code.
    """
    for number in obeyed():
        signal.signal(number, lambda *_: os._exit(code))


def command_name() -> str:
    """As its user called it, "asrnn train" or "asrnn.train"; "asrnn" for what is no command."""
    spec = sys.modules["__main__"].__spec__
    return _name or (spec.name if spec is not None else "asrnn")


class StopRequest:
    """Within this context the first stop signal is noted instead of obeyed.

    A second SIGINT interrupts at once, for the user who cannot wait: it ends a command, for an
    exception would turn up wherever Python, jax and their threads just were, and it is a
    KeyboardInterrupt for a program that embeds asrnn. Outside the main thread, where Python allows
    no handlers, signals keep their usual effect.
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
            for number in obeyed():
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
            if self._previous.get(signal.SIGINT) is leave:
                _leave_saying("interrupted again; what was saved is kept,", INTERRUPTED)
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
