"""What a person sees of a run: a progress bar on a terminal, plain lines elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from asrnn.console import duration, terminal, to_stderr
from asrnn.objectives import Metric, Objective

PLAIN_LINE_EVERY = 10.0  # seconds
DISPATCHES = 4  # the first, which compiles, is not timed; before the last of these nothing is said


class Display:
    """Shows the progress of a run on stderr.

    Args:
      objective: whose metrics are shown.
      total: the number of steps of the whole run.
      first: the step it starts from.
      silent: whether to show nothing, as another process does it.
    """

    def __init__(self, objective: Objective, total: int, first: int, silent: bool = False):
        self._objective = objective
        self._silent = silent
        self._total = total
        self._dispatches = 0
        self._timed_from = (first, 0.0)
        self._first = self._step = first
        self._last_line = time.monotonic()
        self._scores: dict[str, str] = {}
        console = Console(file=terminal())
        self._bar = _progress_bar(console) if console.is_terminal and not silent else None
        if self._bar is not None:
            self._task = self._bar.add_task("", total=total, completed=first, speed="", scores="")

    def __enter__(self) -> "Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._step > self._first:
            self._print_line()

    def advance(self, step: int) -> None:
        """Notes that `step` updates have been made."""
        self._step = step
        self._dispatches += 1
        if self._dispatches == 1:
            self._timed_from = (step, time.monotonic())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, speed=self._speed_text())
        elif time.monotonic() - self._last_line > PLAIN_LINE_EVERY:
            self._print_line()

    def end_at(self, step: int) -> None:
        """Notes that the run ends at a step before its last."""
        self._total = step
        if self._bar is not None:
            self._bar.update(self._task, total=step)

    def show(self, row: dict[str, Any]) -> None:
        """Shows the scores of a row of metrics.jsonl from now on."""
        if row["split"] == "train":
            for name, metric in self._objective.metrics.items():
                self._scores[name] = _short(metric, row[name])
        else:
            value = row[self._objective.monitored]
            score = {row["split"]: _short(self._objective.metric, value)}
            # What is shown first is cut last; the training scores are of no use beside the test's.
            kept = (
                {"validation": self._scores.get("validation")} if "test" in score else self._scores
            )
            self._scores = {name: text for name, text in (kept | score).items() if text}
        if self._bar is not None:
            self._bar.update(self._task, scores=self._scores_text())

    def message(self, text: str) -> None:
        """Prints a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif not self._silent:
            to_stderr(text)

    def _speed(self) -> float | None:
        """Steps in a second; None as long as there is too little to tell it from."""
        if self._dispatches < DISPATCHES:
            return None
        step, since = self._timed_from
        return (self._step - step) / max(time.monotonic() - since, 1e-9)

    def _speed_text(self) -> str:
        speed = self._speed()
        return "" if speed is None else f"{speed:.3g} steps/s"

    def _scores_text(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in self._scores.items())

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        if self._silent:
            return
        speed = self._speed()
        parts = [f"step {self._step}/{self._total}", self._speed_text(), self._scores_text()]
        if self._step < self._total and speed:
            parts.append(f"{duration((self._total - self._step) / speed)} left")
        to_stderr("  ".join(filter(None, parts)))


def _short(metric: Metric, value: float) -> str:
    """With one decimal where it is in percent: a batch can tell no more."""
    return f"{value:.1%}" if metric.percent else metric.text(value)


class _ScoresColumn(TextColumn):
    """The one column that gives way: rich shrinks those that may wrap before all others."""

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _progress_bar(console: Console) -> Progress:
    # On a narrow terminal the scores are cut off, never the step or the time that is left.
    return Progress(
        BarColumn(bar_width=8),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[speed]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        _ScoresColumn("{task.fields[scores]}", table_column=Column()),
        console=console,
        redirect_stdout=False,
        redirect_stderr=False,
    )
