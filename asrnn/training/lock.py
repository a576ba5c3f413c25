"""A folder that belongs to one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asrnn.errors import CheckpointError, WorkdirInUse


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Creates a folder if need be and holds a lock file in it, which dies with the process.

    Raises:
      WorkdirInUse: if another process holds it.
      CheckpointError: if the folder cannot be created or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / name).open("w")
    except OSError as error:
        raise CheckpointError(
            f"cannot write to workdir {folder}: {error.strerror}; give another --workdir"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkdirInUse(
                f"workdir {folder} is in use by another run; wait for it to end,"
                " or give another --workdir"
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"cannot lock workdir {folder}: {error.strerror}; give one on another disk"
            ) from None
        yield
