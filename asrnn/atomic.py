"""Files that are written whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
