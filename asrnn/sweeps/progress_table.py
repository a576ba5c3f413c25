"""What a person sees of a sweep: a live table on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asrnn.console import duration, nonzero, terminal, to_stderr
from asrnn.sweeps.trials import Job, Outcome, Trial, outcome

HEARTBEAT = 60.0  # seconds between two plain lines about what is running
BEST = 5  # of the live table's lines, first the best finished trials,
RUNNING = 8  # then some of those that run


BETWEEN = 2  # columns of the terminal that separate those of the live table


class ProgressTable:
    """A Watch that shows which trials run, are done, and lead.

    Args:
      trials: all of the sweep.
    """

    def __init__(self, trials: Sequence[Trial]):
        self._names = {trial.id: describe(trial) for trial in trials}
        self._short = dict(zip(self._names, short_names(trials), strict=True))
        self._running: dict[str, Job] = {}
        self._ended: dict[str, Outcome] = {}
        self._goal, self._total = 0, len(trials)
        self._began = time.monotonic()
        self._over = threading.Event()
        self._console = Console(file=terminal())
        self._live = (
            Live(get_renderable=self._table, console=self._console, refresh_per_second=2)
            if self._console.is_terminal
            else None
        )
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "ProgressTable":
        if self._live is not None:
            self._live.start()
        else:
            self._heart.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()

    def rung(self, steps: int, outcomes: Mapping[str, Outcome]) -> None:
        """A new rung begins: what is known of its trials already."""
        self._goal, self._total = steps, len(outcomes)
        self._ended = {id: found for id, found in outcomes.items() if found.finished}
        finished = nonzero({"of them finished": len(self._ended)})
        self._say(f"to step {steps:,}: {', '.join([f'{self._total} trials', *finished])}")

    def started(self, job: Job) -> None:
        """Shows a job among those that run."""
        self._running[job.workdir.name] = job

    def ended(self, job: Job) -> None:
        """Shows what became of a job."""
        id = job.workdir.name
        self._running.pop(id, None)
        found = outcome(job)
        if found.finished:
            self._ended[id] = found
        status = found.status if found.finished else "stopped"
        self._say(
            f"{len(self._ended)}/{self._total}  {id}  {status} at step {found.step:,}"
            f"  validation {found.text}  {self._names[id]}"
        )

    def _say(self, line: str) -> None:
        if self._live is None:
            to_stderr(line)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            running = [f"{id} at step {outcome(job).step:,}" for id, job in self._jobs()]
            if running:
                to_stderr(f"{self._elapsed()}: running {', '.join(running)}")

    def _jobs(self) -> list[tuple[str, Job]]:
        return list(self._running.items())  # a copy: the engine's thread changes it

    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._began)

    def _table(self) -> Group:
        ended, running = list(self._ended.items()), self._jobs()
        done = [(id, found) for id, found in ended if found.status == "done"]
        done.sort(key=lambda entry: entry[1].objective.metric.cost(entry[1].score))
        shown = [(id, found.status, found) for id, found in done[:BEST]]
        shown += [(id, "running", outcome(job)) for id, job in running[:RUNNING]]
        rows = [
            (status, f"{found.step:,}", found.text, self._short[id], id)
            for id, status, found in shown
        ]
        statuses = [found.status for _, found in ended]
        counts = nonzero(
            {
                "pruned": statuses.count("pruned"),
                "diverged": statuses.count("diverged"),
                "running": len(running),
            }
        )
        head = "  ".join(
            [
                f"{len(ended)}/{self._total} trials to step {self._goal:,}",
                *([f"({', '.join(counts)})"] if counts else []),
                self._elapsed(),
            ]
        )
        more = f"and {len(running) - RUNNING} more running" if len(running) > RUNNING else ""
        return Group(Text(head, style="bold"), live_table(rows, self._console.width), Text(more))


def live_table(rows: Sequence[tuple[str, str, str, str, str]], width: int) -> Table:
    """What fits into the width: status, step and score, then settings, and ids if there is room.

    Args:
      rows: status, step, score, setting and id of a trial each.
      width: of the terminal.
    """
    names = ("status", "step", "validation", "setting", "trial")
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    with_ids = sum(widths) + BETWEEN * (len(names) - 1) <= width
    room = width - sum(widths[:3]) - 3 * BETWEEN
    table = Table(box=None, pad_edge=False, padding=(0, BETWEEN, 0, 0))
    for name in names if with_ids else names[:-1]:
        table.add_column(
            name, no_wrap=True, justify="right" if name in ("step", "validation") else "left"
        )
    for *row, setting, id in rows:
        cells = [*row, setting, id] if with_ids else [*row, cut(setting, room)]
        table.add_row(*cells, style="cyan" if row[0] == "running" else None)
    return table


def cut(setting: str, room: int) -> str:
    """As many whole words as there is room for, and an ellipsis for the others."""
    if len(setting) <= room:
        return setting
    words = setting.split(" ")
    while words and len(" ".join(words)) + len(" …") > room:
        words.pop()
    return " ".join([*words, "…"])


def short_names(trials: Sequence[Trial]) -> list[str]:
    """The overrides in which trials differ, numbers with three significant digits."""
    fields = {name for trial in trials for name in trial.overrides}
    absent = object()
    differing = {
        name for name in fields if len({str(t.overrides.get(name, absent)) for t in trials}) > 1
    }
    return [
        describe(
            Trial(
                trial.id,
                {
                    name: f"{v:.3g}" if isinstance(v, float) else v
                    for name, v in trial.overrides.items()
                    if name in (differing or fields)
                },
            )
        )
        for trial in trials
    ]


def describe(trial: Trial) -> str:
    """The overrides of a trial, for example "cell=lstm learning_rate=0.1 seed=0"."""
    fields = ((name.removesuffix(".name"), value) for name, value in trial.overrides.items())
    return " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in fields)
