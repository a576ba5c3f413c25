"""Reads the file of a search space: Python with a function `get_space(h)`."""

from pathlib import Path

from asrnn.errors import ConfigError
from asrnn.sweeps import language
from asrnn.sweeps.python_file import call
from asrnn.sweeps.space import Space


def read_space(path: Path) -> Space:
    """Runs a space file; like a config file it is Python: run those you trust.

    Raises:
      ConfigError: if it is missing, fails, or returns no space.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; a space is a Python file with get_space(h)")
    if not path.exists():
        raise ConfigError(f"no space file {path}; there are some in experiments/spaces")
    space = call(path, "get_space(h)", language)
    if not isinstance(space, Space):
        raise ConfigError(
            f"get_space of {path} must return what a function of h made,"
            f" found {type(space).__name__}"
        )
    return space
