"""Runs a Python file of the user's: a search space, the definitions of a table, a config."""

import runpy
from pathlib import Path
from typing import Any

from asrnn.errors import AsrnnError, ConfigError


def call(path: Path, signature: str, *args: Any) -> Any:
    """What a function of a file, "get_space(h)" for example, returns.

    Raises:
      ConfigError: if the file or the function fails, or there is no such function.
    """
    function = run(path).get(signature.partition("(")[0])
    if function is None:
        raise ConfigError(f"{path} has no function {signature}")
    try:
        return function(*args)
    except AsrnnError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's function may raise
        raise _unreadable(path, error) from None


def run(path: Path) -> dict[str, Any]:
    """The names that a file defines; it is code: run those you trust.

    Raises:
      ConfigError: if it fails.
    """
    try:
        return runpy.run_path(str(path))
    except AsrnnError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's file may raise
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception | SystemExit) -> ConfigError:
    why = " ".join(str(error).split())
    return ConfigError(f"{path} cannot be read ({type(error).__name__}: {why})")
