"""Where the numbers of a run come from: source, command, host, data and time."""

import hashlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).parents[1]
GIT_SECONDS = 10.0  # a file system that takes longer is not waited for

Parts = Mapping[str, Mapping[str, Any]]
"""The arrays of each part of the data, by the part's name."""


class Provenance:
    """What a summary says of where its numbers come from.

    A thread takes the hashes and asks git, so that no update waits for either.

    Args:
      parts: the data that are resident; parts without an array are left out.
    """

    def __init__(self, parts: Parts):
        with_arrays = {name: part for name, part in parts.items() if part}
        executor = ThreadPoolExecutor(max_workers=1)
        self._found: Future[dict[str, Any]] = executor.submit(_look_up, with_arrays)
        executor.shutdown(wait=False)

    def facts(self) -> dict[str, Any]:
        """`version`, `git`, `command`, `host` and `data_sha256`.

        `git` has the commit of the package's source and whether the source is that of the commit;
        it is None unless git tracks the package.
        """
        return {**self._found.result(), "command": shlex.join(sys.orig_argv)}


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _look_up(parts: Parts) -> dict[str, Any]:
    return {
        "version": sys.modules[__name__.partition(".")[0]].__version__,
        "git": git_state(PACKAGE),
        "host": platform.node(),
        "data_sha256": {name: sha256_of(part) for name, part in parts.items()},
    }


@cache
def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of a folder and whether it is clean; None if git does not track it.

    An environment with an installed package may lie within a repository, which then says nothing
    about the package.
    """
    try:
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(folder, "rev-parse", "HEAD").strip()
        return {"commit": commit, "clean": not _git(folder, "status", "--porcelain", "--", ".")}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", folder, *words],
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    ).stdout


def sha256_of(part: Mapping[str, Any]) -> str:
    """The hash of arrays: of each its name, dtype and shape, and then its bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(part.items()):
        values = np.ascontiguousarray(array)
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
