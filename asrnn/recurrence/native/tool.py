"""Running a compiler."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from asrnn.recurrence.native.cache import Unavailable

SECONDS = 600


def run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
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
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"cannot run the compiler {command[0]}: {error}") from error
