"""Files that are written whole or not at all, and what to say where that fails."""

import errno
import glob
import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from asrnn.errors import CheckpointError, one_line

SEAL = "sha256"
"""The entry of a JSON object that has the digest of the others."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to be written, which then takes its place.

    So a reader sees the old file or the new one, never a part, and one that could not be
    written leaves the old one. What a writer of this machine left that was killed is removed.

    Raises:
      OSError: if the one cannot take the place of the other.
    """
    # Writers on several machines may share a folder, and process numbers.
    name = f".{path.name}.{os.getpid()}-{_machine()}-{uuid.uuid4().hex[:12]}"
    temporary = path.with_name(name)
    _remove_leftovers(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_output(path: Path) -> Iterator[Path]:
    """`replacing` of a file that a user asked for with --out, in a folder that is made if need be.

    Raises:
      CheckpointError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or one_line(error)}; give another --out"
        ) from None


@cache
def _machine() -> str:
    """Eight digits that only processes have in common whose numbers mean the same processes.

    Those of one start of one machine, in one container. At random where a system does not say.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        facts = boot + os.readlink("/proc/self/ns/pid")
    except OSError:
        facts = uuid.uuid4().hex
    return hashlib.sha256(facts.encode()).hexdigest()[:8]


def _remove_leftovers(path: Path) -> None:
    """Removes the files beside `path` whose writers are no more."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-{_machine()}-[0-9a-f]{{12}}")
    for file in path.parent.glob(f".{glob.escape(path.name)}.*"):
        found = ours.fullmatch(file.name)
        if found and not _runs(int(found[1])):
            with suppress(OSError):
                file.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's, or no number of a process
        return True
    return True


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
      ValueError: if it is none, or so deeply nested that only a damaged or hostile file can be it.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def digest(values: Mapping[str, Any]) -> str:
    """The sha256 of an object of JSON values, whatever the order of its entries."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its own digest, by which `read_sealed` finds damage."""
    return {**values, SEAL: digest(values)}


def unsealed(found: Any) -> dict[str, Any]:
    """The object without its digest, which those of earlier versions do not have.

    Raises:
      ValueError: if it is no object, or another than was written.
    """
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__} and not an object")
    values = {name: value for name, value in found.items() if name != SEAL}
    if SEAL in found and found[SEAL] != digest(values):
        raise ValueError(f"its {SEAL} does not fit: damaged, or edited and {SEAL} not removed")
    return values


def read_sealed(path: Path) -> dict[str, Any]:
    """A file with an object that was sealed.

    Raises:
      OSError, ValueError: if it cannot be read, or is another than was written.
    """
    return unsealed(parse_json(path.read_text()))


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old text or the new, never a part.

    Raises:
      CheckpointError: if the disk is full or the file cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(text)
    except OSError as error:
        raise cannot_write(path, error) from None


def check_text(folder: Path) -> None:
    """Refuses a folder whose path is no text here, which checkpoints cannot be in.

    Raises:
      CheckpointError: if it is none, as bytes that are no UTF-8 or a path with ü are to a process
        that was told to know ASCII only.
    """
    path = folder.absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise CheckpointError(
            f"the path {os.fsencode(path)!r} is no text in the encoding of this shell,"
            f" {sys.getfilesystemencoding()}; set PYTHONUTF8=1, or choose another folder"
        ) from None


def cannot_write(path: Path, error: Exception) -> CheckpointError:
    """What to say when a file of a workdir cannot be written."""
    todo = "free some space or fix the permissions,"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        todo = "allow more open files with ulimit -n,"
    return CheckpointError(
        f"cannot write {path}: {one_line(error)}; {todo}"
        " and run the same command again; it resumes from the last checkpoint"
    )


def damaged(path: Path, found: str) -> CheckpointError:
    """What to say of a file of a workdir that is not what was written."""
    return CheckpointError(
        f"{path} cannot be read ({found}); repair the file or move the folder away"
    )
