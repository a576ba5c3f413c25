"""Runs a Python file of the user's: a search space, the definitions of a table, a config."""

import runpy
import traceback
from pathlib import Path
from typing import Any

from asrnn.errors import AsrnnError, ConfigError, near_miss, one_line
from asrnn.shipped import SPACES, listed, names
from asrnn.sweeps import space_functions
from asrnn.sweeps.space import Space


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


def read_space(path: Path) -> Space:
    """Runs a space file; like a config file it is Python: run those you trust.

    Raises:
      ConfigError: if it is missing, fails, or returns no space.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; a space is a Python file with get_space(h)")
    if not path.exists():
        raise ConfigError(f"no space file {path}; {listed(names(SPACES))}")
    space = call(path, "get_space(h)", space_functions)
    if not isinstance(space, Space):
        raise ConfigError(
            f"get_space of {path} must return what a function of h returned,"
            f" found {type(space).__name__}"
        )
    return space


def _unreadable(path: Path, error: Exception | SystemExit) -> ConfigError:
    line, why = _line(path, error), one_line(error)
    if isinstance(error, SyntaxError):
        why = error.msg
    elif isinstance(error, AttributeError) and error.name is not None:
        why += near_miss(error.name, [name for name in dir(error.obj) if name[0] != "_"])
    what = "cannot be read" if line is None else f"fails in line {line}"
    return ConfigError(f"{path} {what} ({type(error).__name__}: {why})")


def _line(path: Path, error: Exception | SystemExit) -> int | None:
    """The line of the file that an error comes from, the innermost of several."""
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else None
