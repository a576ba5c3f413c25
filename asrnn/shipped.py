"""The config files, search spaces and definitions of tables that ship, and their names.

A wheel has the folders configs/ and experiments/ inside the package; a clone has them beside it.
"""

import ast
import textwrap
from collections.abc import Iterable
from pathlib import Path

from asrnn.errors import ConfigError, near_miss

PACKAGE = Path(__file__).parent
FOLDER = PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parent
"""What holds configs/ and experiments/."""

CONFIGS = FOLDER / "configs"
SPACES = FOLDER / "experiments" / "spaces"

WIDTH = 79  # of the text for a terminal
INDENT = " " * 24


def names(folder: Path) -> list[str]:
    """The names of the Python files of a folder: "mnist" for mnist.py."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def find_config(given: str) -> str:
    """What `--config` means: "mnist:gated" is a file that ships, "own.py:gated" one's own.

    Raises:
      ConfigError: for a name that no config file has.
    """
    name, colon, variant = given.partition(":")
    return f"{find(name, CONFIGS, 'config')}{colon}{variant}"


def find(given: str, folder: Path, what: str) -> str:
    """The path that a user means by a path, or by the name of a file that ships.

    Args:
      given: is returned as it is, unless it is a name without a folder and without ".py".
      folder: of the files that ship.
      what: they are, for the error.

    Raises:
      ConfigError: for a name that none of them has.
    """
    if not given or Path(given).is_file() or given.endswith(".py") or Path(given).name != given:
        return given
    known = names(folder)
    if given not in known:
        close = near_miss(given, known)
        raise ConfigError(f"no {what} is called {given!r}; {listed(known)}{close}")
    return str(folder / f"{given}.py")


def listed(known: Iterable[str]) -> str:
    """The end of an error about a file that is not there."""
    return f"{', '.join(known)} ship with asrnn, one's own is a path"


def variants(config: str) -> list[str]:
    """The variants of a config file that ships, read and not run."""
    for node in ast.parse((CONFIGS / f"{config}.py").read_text(encoding="utf-8")).body:
        target = getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "VARIANTS":
            value = getattr(node, "value", None)
            if isinstance(value, ast.Dict):
                return [str(key.value) for key in value.keys if isinstance(key, ast.Constant)]
    return []


def configs_table() -> str:
    """The config files that ship, for a person: a line on each, and its variants."""
    lines = []
    for name in names(CONFIGS):
        text = ast.get_docstring(ast.parse((CONFIGS / f"{name}.py").read_text(encoding="utf-8")))
        about = f"  {name:<22}{(text or '').splitlines()[0]}"
        words = INDENT + " ".join(f":{variant}" for variant in variants(name))
        for line in (about, words):
            lines += textwrap.wrap(line, WIDTH, subsequent_indent=INDENT)
    return "\n".join(lines)
