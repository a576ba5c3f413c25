"""How far a command is that has a known number of things to do: see `Progress`."""

import time
from typing import TYPE_CHECKING

from asrnn.console import terminal, to_stderr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

PLAIN_LINE_EVERY = 10.0  # seconds


class Progress:
    """Counts on stderr: by a bar on a terminal, which goes at the end, by plain lines elsewhere.

    What begins is said by the caller, whose line stays.

    Args:
      what: is counted, in the plural.
      total: how many there are; may be a fraction, of megabytes for example.
    """

    def __init__(self, what: str, total: float):
        from rich.console import Console

        self._what, self._total, self._done = what, total, 0.0
        self._last_line = time.monotonic()
        console = Console(file=terminal())
        self._bar = _bar(console) if console.is_terminal else None
        if self._bar is not None:
            self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: float) -> None:
        """Notes that as many more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._last_line > PLAIN_LINE_EVERY:
            self._last_line = time.monotonic()
            to_stderr(f"{self._done:,.0f}/{self._total:,.0f} {self._what}")


def _bar(console: "Console") -> "Bar":
    """The bar of a training, with what is counted in the place of the scores."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    return Bar(
        BarColumn(bar_width=8),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
