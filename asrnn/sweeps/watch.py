"""What an engine tells whoever looks on."""

from typing import Protocol

from asrnn.sweeps.trials import Job


class Watch(Protocol):
    """Is told of each job that an engine takes up, and of each that it leaves."""

    def started(self, job: Job) -> None:
        """A job is being run, for the first time or again."""

    def ended(self, job: Job) -> None:
        """A job is not being run any more: finished, stopped or killed."""
