"""Shards: processes that share the trials of one sweep, and which may run at the same time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from asrnn.errors import ConfigError, WorkdirInUse
from asrnn.runs.workdir import locked

LOCK = ".lock"  # exclusive for the whole sweep, shared among its shards


class Shard(NamedTuple):
    """One of `parts` processes: of every rung it runs the trials at position % parts == part."""

    part: int
    parts: int


WHOLE = Shard(0, 1)


def read_shard(text: str) -> Shard:
    """ "1/4" as a shard.

    Raises:
      ConfigError: if it is not the i-th of n, counted from 0.
    """
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise ConfigError(f"--shard must be i/n with i below n, counted from 0; found {text}")
    return Shard(int(part), int(parts))


@contextmanager
def held(folder: Path, shard: Shard) -> Iterator[None]:
    """Holds the folder of a sweep, beside other shards of as many parts and nobody else.

    Raises:
      WorkdirInUse: if it is held by the same shard, by shards of another number of parts, or
        one side is the whole sweep.
      CheckpointError: if the folder cannot be created or locked.
    """
    with ExitStack() as locks:
        if shard == WHOLE:
            why = "another process runs it, or a shard of it; wait, or give another --workdir"
            _take(locks, folder, LOCK, why)
        else:
            part, parts = shard
            why = "another process runs it as a whole; wait, or stop it and start all shards"
            _take(locks, folder, LOCK, why, shared=True)
            why = f"another process runs shard {part}/{parts}; give another --shard"
            _take(locks, folder, f"{LOCK}-{part}-of-{parts}", why)
            _check_parts(folder, parts)
        yield


def _check_parts(folder: Path, parts: int) -> None:
    """The second to come sees the first, because both hold their own lock by then."""
    for path in folder.glob(f"{LOCK}-*-of-*"):
        others = int(path.name.rpartition("-")[2])
        if others != parts:
            why = f"a process runs one of {others} shards; give --shard=i/{others}, or wait"
            with ExitStack() as glance:
                _take(glance, folder, path.name, why, shared=True)


def _take(locks: ExitStack, folder: Path, name: str, why: str, *, shared: bool = False) -> None:
    try:
        locks.enter_context(locked(folder, name, shared=shared))
    except WorkdirInUse:
        raise WorkdirInUse(f"the sweep in {folder} is in use: {why}") from None
