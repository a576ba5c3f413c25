"""Compiling kernels: the private folder in which they are kept, and how a compiler is run."""

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from asrnn.console import to_stderr
from asrnn.files import replacing

COMPILER_SECONDS = 600
BUILD = "build-"
"""How the names of the folders of builds begin."""


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
    for variable, inside in (("ASRNN_CACHE_DIR", ""), ("XDG_CACHE_HOME", "asrnn")):
        if named := os.environ.get(variable):
            try:
                return Path(named).expanduser() / inside
            except RuntimeError as error:
                raise Unavailable(f"{variable}={named}: no such user") from error
    try:
        return Path.home() / ".cache" / "asrnn"
    except RuntimeError as error:
        raise Unavailable("no home folder for the cache: set ASRNN_CACHE_DIR") from error


def seal(file: Path, content: bytes) -> None:
    """Writes the size and hash of a compiled file beside it, once it is in its place.

    Raises:
      OSError: if that cannot be written.
    """
    with replacing(_seal_of(file)) as temporary:
        temporary.write_text(_seal(content))


def sealed_content(file: Path) -> bytes | None:
    """What a compiled file holds, if it is there and as it was sealed; else it is to be made again.

    A crash, a full disk or a copy may have cut it, and a cut library kills the process that loads
    it.
    """
    try:
        content, found = file.read_bytes(), _seal_of(file).read_text()
    except (OSError, ValueError):
        return None
    return content if found == _seal(content) else None


def _seal(content: bytes) -> str:
    return f"{len(content)} {hashlib.sha256(content).hexdigest()}\n"


def _seal_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Lets one process after the other make a file; where files cannot be locked, all at once.

    Raises:
      OSError: if nothing can be written beside the file.
    """
    with file.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            to_stderr("waiting for another process that compiles the native kernel")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield


@contextmanager
def announced(compiler: str, name: str) -> Iterator[None]:
    """Says that kernels are being compiled, and how long that took."""
    to_stderr(f"compiling {name} with {compiler}: a minute or two, once")
    began = time.monotonic()
    yield
    to_stderr(f"compiled {name} in {time.monotonic() - began:.0f} s")


def remove_abandoned(folder: Path) -> None:
    """Removes the folders of builds that were killed, once they cannot be running any more."""
    for build in folder.glob(f"{BUILD}*"):
        with suppress(OSError):
            if time.time() - build.stat().st_mtime > 2 * COMPILER_SECONDS:
                shutil.rmtree(build, ignore_errors=True)


def run_compiler(
    command: Sequence[str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What a compiler says, errors and all, and how it ended.

    Args:
      command: the program and its arguments.
      folder: where it runs; here by default.

    Raises:
      Unavailable: if it cannot be run, or does not end.
    """
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=COMPILER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"cannot run the compiler {command[0]}: {error}") from error
