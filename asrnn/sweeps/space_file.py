"""Reads the file of a search space: Python with a function `get_space(h)`."""

import runpy
from pathlib import Path

from asrnn.errors import AsrnnError, ConfigError
from asrnn.sweeps import language
from asrnn.sweeps.space import Space


def read_space(path: Path) -> Space:
    """Runs a space file; like a config file it is Python: run those you trust.

    Raises:
      ConfigError: if it is missing, fails, or returns no space.
    """
    if not path.exists():
        raise ConfigError(f"no space file {path}; there are some in experiments/spaces")
    try:
        get_space = runpy.run_path(str(path)).get("get_space")
        if get_space is None:
            raise ConfigError(f"{path} has no function get_space(h)")
        space = get_space(language)
    except AsrnnError:
        raise
    except Exception as error:  # whatever a user's file may raise
        why = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read ({type(error).__name__}: {why})") from None
    if not isinstance(space, Space):
        raise ConfigError(
            f"get_space of {path} must return what a function of h made,"
            f" found {type(space).__name__}"
        )
    return space
