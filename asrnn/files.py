"""Files that are written whole or not at all, and what to say where that fails."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asrnn.errors import CheckpointError, one_line


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to be written, which then takes its place.

    So a reader sees the old file or the new one, never a part, and one that could not be
    written leaves the old one.

    Raises:
      OSError: if the one cannot take the place of the other.
    """
    # Writers on several machines may share a folder, and process numbers.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
      ValueError: if it is none, or so deeply nested that only a damaged or hostile file can be it.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


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


def cannot_write(path: Path, error: Exception) -> CheckpointError:
    """What to say when a file of a workdir cannot be written."""
    return CheckpointError(
        f"cannot write {path}: {one_line(error)}; free some space or fix the permissions,"
        " and run the same command again; it resumes from the last checkpoint"
    )


def damaged(path: Path, found: str) -> CheckpointError:
    """What to say of a file of a workdir that is not what was written."""
    return CheckpointError(
        f"{path} cannot be read ({found}); repair the file or move the folder away"
    )
