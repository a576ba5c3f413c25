"""The folder of one run: its lock, its config.json, and what may differ on resuming."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_collections import ConfigDict

from asrnn.config import flatten, read_config, to_json
from asrnn.errors import ConfigError
from asrnn.training.checkpoints import write_atomically
from asrnn.training.lock import locked

CONFIG = "config.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
TRIALS = "trials.jsonl"  # what a sweep has in its folder, and a run has not

# Fields that leave the trajectory as it is, or only carry it further.
MAY_DIFFER = (
    "recurrence.backend",
    "recurrence.remat",
    "recurrence.unroll",
    "task.data_dir",
    "training.checkpoint_every",
    "training.steps",
    "training.tensorboard",
)


@contextmanager
def open_workdir(workdir: Path, config: ConfigDict) -> Iterator[None]:
    """Creates or reopens a workdir and holds its lock.

    Raises:
      WorkdirInUse: if another process holds it.
      ConfigError: if it belongs to a run with another config; it is left untouched.
      CheckpointError: if it cannot be created.
    """
    with locked(workdir, LOCK):
        if (workdir / TRIALS).exists():
            raise ConfigError(f"{workdir} is the folder of a sweep; give another --workdir")
        if anything_trained(workdir):
            check_same_run(workdir, config)
        yield


def write_config(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json; to be called once nothing about the run can be refused any more."""
    write_atomically(workdir / CONFIG, to_json(config))


def anything_trained(workdir: Path) -> bool:
    """Whether there is more than the config of a run that failed before its first step."""
    traces = (METRICS, CHECKPOINTS, "summary.json")
    return (workdir / CONFIG).exists() and any((workdir / name).exists() for name in traces)


def check_same_run(workdir: Path, config: ConfigDict) -> None:
    """Checks that a folder's config.json differs from the config at most in `MAY_DIFFER`.

    Raises:
      ConfigError: with the differences, or if there is no readable config.json.
    """
    before = flatten(read_config(workdir / CONFIG).to_dict())
    now = flatten(config.to_dict())
    # With a cosine schedule the length of the run shapes every step of it.
    may_differ = set(MAY_DIFFER)
    if now["optimizer.schedule"] == "cosine":
        may_differ.remove("training.steps")
    differing = [name for name in now if now[name] != before[name] and name not in may_differ]
    if differing:
        changes = ", ".join(f"{name}: {before[name]} -> {now[name]}" for name in differing)
        raise ConfigError(
            f"workdir {workdir} holds a run with another config ({changes});"
            " give another --workdir, or none to get one of its own"
        )
