"""What a person reads on a terminal: one line to stderr, and how quantities are written."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, cast


def to_stderr(line: str) -> None:
    """Prints one line for a person; stdout is left to what may be piped.

    A run outlives its reader: a log on a full disk or a closed terminal is not an error.
    """
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class LastingStderr:
    """stderr for a progress bar: what cannot be written, as to a closed terminal, is dropped."""

    def write(self, text: str) -> int:
        """Writes as much as can be."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Writes what is held back, if it can be."""
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def terminal() -> IO[str]:
    """What a progress bar writes to."""
    return cast(IO[str], LastingStderr())


def loss_text(loss: float) -> str:
    """Four decimals, unless it is so large or so small that they say little."""
    decimals = loss == 0 or 1e-3 <= abs(loss) < 1e6
    return f"{loss:.4f}" if decimals else f"{loss:g}"


def percent(accuracy: float | None) -> str:
    """0.9125 -> "91.25%"; None -> "-"."""
    return "-" if accuracy is None else f"{accuracy:.2%}"


def duration(seconds: float) -> str:
    """90 -> "1m30s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def nonzero(counts: Mapping[str, int]) -> list[str]:
    """{"diverged": 2, "running": 0} -> ["2 diverged"]."""
    return [f"{count} {what}" for what, count in counts.items() if count]
