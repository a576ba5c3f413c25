"""The private folder in which compiled kernels are kept."""

import os
import stat
from pathlib import Path


class Unavailable(Exception):
    """Why there is no kernel, in one line."""


def cache_dir() -> Path:
    """The private folder for compiled kernels, created if need be.

    A library is loaded into the process, so nobody else may be able to write there.
    """
    folder = _cache_base() / "native"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise Unavailable(f"cannot use the cache folder {folder}: {error}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise Unavailable(f"the cache folder {folder} is not a folder of this user")
    if status.st_mode & 0o022:
        raise Unavailable(f"the cache folder {folder} can be written by others; chmod 700 it")
    return folder


def _cache_base() -> Path:
    if named := os.environ.get("ASRNN_CACHE_DIR"):
        return Path(named).expanduser()
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named).expanduser() / "asrnn"
    try:
        return Path.home() / ".cache" / "asrnn"
    except RuntimeError as error:
        raise Unavailable("no home folder for the cache: set ASRNN_CACHE_DIR") from error
