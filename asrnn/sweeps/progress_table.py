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


class ProgressTable:
    """A Watch that shows which trials run, are done, and lead.

    Args:
      trials: all of the sweep.
    """

    def __init__(self, trials: Sequence[Trial]):
        self._names = {trial.id: describe(trial) for trial in trials}
        self._running: dict[str, Job] = {}
        self._ended: dict[str, Outcome] = {}
        self._goal, self._total = 0, len(trials)
        self._began = time.monotonic()
        self._over = threading.Event()
        console = Console(file=terminal())
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=2)
            if console.is_terminal
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
        table = Table(box=None, pad_edge=False)
        for name in ("trial", "status", "step", "validation"):
            table.add_column(name, no_wrap=True, justify="left" if name == "trial" else "right")
        table.add_column("setting", no_wrap=True, overflow="ellipsis")
        ended, running = list(self._ended.items()), self._jobs()
        done = [(id, found) for id, found in ended if found.status == "done"]
        done.sort(key=lambda entry: entry[1].objective.metric.cost(entry[1].score))
        for id, found in done[:BEST]:
            row = (id, found.status, f"{found.step:,}", found.text)
            table.add_row(*row, self._names[id])
        for id, job in running[:RUNNING]:
            found = outcome(job)
            row = (id, "running", f"{found.step:,}", found.text)
            table.add_row(*row, self._names[id], style="cyan")
        counts = nonzero({"diverged": len(ended) - len(done), "running": len(running)})
        head = "  ".join(
            [
                f"{len(ended)}/{self._total} trials to step {self._goal:,}",
                *([f"({', '.join(counts)})"] if counts else []),
                self._elapsed(),
            ]
        )
        more = f"and {len(running) - RUNNING} more running" if len(running) > RUNNING else ""
        return Group(Text(head, style="bold"), table, Text(more))


def describe(trial: Trial) -> str:
    """The overrides of a trial, for example "cell=lstm learning_rate=0.1 seed=0"."""
    return " ".join(f"{name.rpartition('.')[2]}={v}" for name, v in trial.overrides.items())
