"""Stop signals, from the first import of a command on: the other imports take seconds.

The package takes them as it is imported, if that is for a command; `asrnn.command` and
`asrnn.training.signals` follow. So this file imports next to nothing.
"""

import os
import signal
import sys
from types import FrameType

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
