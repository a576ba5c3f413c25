"""A folder that belongs to one process at a time, or to some that agree to share it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asrnn.errors import CheckpointError, WorkdirInUse


@contextmanager
def locked(folder: Path, name: str, *, shared: bool = False) -> Iterator[None]:
    """Creates a folder if need be and holds a lock file in it, which dies with the process.

    Args:
      folder: where.
      name: of the lock file.
      shared: whether others may hold it too, who have asked for no more than that.

    Raises:
      WorkdirInUse: if another process holds it.
      CheckpointError: if the folder cannot be created or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / name).open("a+")  # NFS wants both
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
        yield
