"""The folder of one run: its lock, its config.json, and what may differ on resuming."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ml_collections import ConfigDict

from asrnn.config import completed, flatten, normalized
from asrnn.errors import CheckpointError, ConfigError, WorkdirInUse
from asrnn.files import check_text, read_sealed, sealed, write_atomically
from asrnn.runs.metrics import count_rows, read_rows
from asrnn.runs.summary import SUMMARY, is_finished, read_summary

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
    "training.accumulate",
    "training.checkpoint_every",
    "training.diagnostics_every",
    "training.patience",
    "training.steps",
    "training.tensorboard",
    "training.wandb",
)


@contextmanager
def locked(folder: Path, name: str, *, shared: bool = False) -> Iterator[None]:
    """Creates a folder if needed and holds a lock on a file in it, which ends with the process.

    Args:
      folder: where.
      name: of the lock file.
      shared: whether others that ask for the same may hold it too.

    Raises:
      WorkdirInUse: if another process holds it.
      CheckpointError: if the folder cannot be created or locked, or its name is no text.
    """
    check_text(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / name).open("a+")  # NFS needs both
    except OSError as error:
        raise CheckpointError(
            f"cannot write to workdir {folder}: {error.strerror}; give another --workdir"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkdirInUse(
                f"workdir {folder} is in use by another run; wait for it to end,"
                " or give another --workdir"
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"cannot lock workdir {folder}: {error.strerror}; give one on another disk"
            ) from None
        if not _is_still(lock, folder / name):  # whoever held it has just removed an empty folder
            raise WorkdirInUse(
                f"workdir {folder} was in use by a run that has ended; run the same command again"
            )
        yield


def _is_still(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def open_workdir(workdir: Path, config: ConfigDict) -> Iterator[None]:
    """Creates or reopens a workdir and holds its lock.

    Raises:
      WorkdirInUse: if another process holds it.
      ConfigError: if it belongs to a run with another config; it is left untouched.
      CheckpointError: if it cannot be created, or its config.json or metrics.jsonl is damaged, or
        config.json is lost.
    """
    made = [path for path in (workdir, *workdir.parents) if not path.exists()]
    with locked(workdir, LOCK), _without_leftovers(workdir, made):
        if (workdir / TRIALS).exists():
            raise ConfigError(f"{workdir} is the folder of a sweep; give another --workdir")
        if _has_traces(workdir):
            if not (workdir / CONFIG).exists():
                raise CheckpointError(
                    f"{workdir} holds a run without its {CONFIG}, so its config is"
                    " not known; put that file back, or give another --workdir"
                )
            check_same_run(workdir, config)
            read_rows(workdir / METRICS)  # refuses a damaged file, which a resume would cut
        yield


def finished(workdir: Path, config: ConfigDict) -> dict[str, Any] | None:
    """The summary of a run that has made all updates of this config, with all its rows; or None.

    Raises:
      AsrnnError: as `open_workdir`.
    """
    summary = finished_summary(workdir, config)
    if summary is None or rows_gone(workdir, summary):
        return None
    with open_workdir(workdir, config):
        return summary


def finished_summary(workdir: Path, config: ConfigDict) -> dict[str, Any] | None:
    """The summary of a run that has made all updates of this config; None if it has not."""
    summary, training = read_summary(workdir), config.training
    if summary is None or not is_finished(summary, training.steps, training.patience):
        return None
    return summary


def rows_gone(workdir: Path, summary: Mapping[str, Any]) -> str | None:
    """Which rows of metrics.jsonl a summary counts and are not there; None if none.

    Raises:
      CheckpointError: if the file is damaged.
    """
    written, found = summary.get("rows") or 0, count_rows(workdir / METRICS)
    if found >= written:
        return None
    return f"{workdir / METRICS} has {found} of {written} rows, the others are gone"


@contextmanager
def _without_leftovers(workdir: Path, made: list[Path]) -> Iterator[None]:
    """Removes the folders that were made for a run which failed before it wrote anything.

    Args:
      workdir: of the run.
      made: the folders that were not there before, the innermost first.
    """
    try:
        yield
    except BaseException:
        if made and [path.name for path in workdir.iterdir()] == [LOCK]:
            with suppress(OSError):  # another run has begun in it, or beside it
                (workdir / LOCK).unlink()
                for folder in made:
                    folder.rmdir()
        raise


def read_config(path: Path) -> ConfigDict:
    """Reads the config.json of a workdir, of this version or an earlier one.

    Raises:
      ConfigError: if the file is missing.
      CheckpointError: if it is damaged, or not a usable configuration.
    """
    try:
        return completed(flatten(read_sealed(path)))
    except FileNotFoundError:
        raise ConfigError(f"{path} not found; is {path.parent} the workdir of a run?") from None
    except (ValueError, OSError, AttributeError, ConfigError) as error:
        raise CheckpointError(
            f"{path} is not a readable config ({error}); repair the file or move the folder away"
        ) from None


def write_config(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json; to be called once nothing about the run can be refused any more."""
    text = json.dumps(sealed(config.to_dict()), indent=2, sort_keys=True, allow_nan=False)
    write_atomically(workdir / CONFIG, text + "\n")


def anything_trained(workdir: Path) -> bool:
    """Whether there is more than the config of a run that failed before its first step."""
    return (workdir / CONFIG).exists() and _has_traces(workdir)


def _has_traces(workdir: Path) -> bool:
    if any((workdir / name).exists() for name in (METRICS, SUMMARY)):
        return True
    checkpoints = workdir / CHECKPOINTS  # made, but empty, before config.json is
    return checkpoints.is_dir() and any(checkpoints.iterdir())


def check_same_run(workdir: Path, config: ConfigDict) -> None:
    """Checks that a folder's config.json differs from the config at most in `MAY_DIFFER`.

    Raises:
      ConfigError: with the differences.
      CheckpointError: if config.json is damaged.
    """
    before = flatten(read_config(workdir / CONFIG).to_dict())
    now = flatten(normalized(config).to_dict())
    for fields in (before, now):  # its folder may have been moved
        fields["training.init_from"] = Path(fields["training.init_from"]).name
    differing = [name for name in now if now[name] != before[name] and name not in MAY_DIFFER]
    steps = before["training.steps"], now["training.steps"]
    if not differing and now["optimizer.schedule"] == "cosine" and steps[0] != steps[1]:
        raise ConfigError(
            f"the run in workdir {workdir} is to make {steps[0]} steps, found"
            f" config.training.steps={steps[1]}; with optimizer.schedule=cosine the length shapes"
            " every step, so it cannot change: give another --workdir, or leave it out"
        )
    if differing:
        changes = ", ".join(f"{name}: {before[name]} -> {now[name]}" for name in differing)
        raise ConfigError(
            f"workdir {workdir} holds a run with another config ({changes});"
            " give another --workdir, or leave it out to get a new one"
        )
