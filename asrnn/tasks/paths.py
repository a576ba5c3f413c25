"""Paths that a user gives."""

from pathlib import Path

from asrnn.errors import ConfigError


def user_path(given: str, what: str) -> Path:
    """A path with ~ resolved.

    Args:
      given: as the user wrote it.
      what: the field or flag that it was given by.

    Raises:
      ConfigError: for the home of a user that there is not.
    """
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{what}={given}: there is no such home folder; write the path out"
        ) from None
