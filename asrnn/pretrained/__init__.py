"""The trained networks that ship with the package, two files each in this folder.

NAME.npz     float32 arrays by dotted name, `recurrent.recurrent_kernel` for example
NAME.json    config, seed, command, metrics, and the sha256 of NAME.npz
"""

import hashlib
import io
import json
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from asrnn.config import completed, flatten
from asrnn.errors import CheckpointError, ConfigError, check_choice, near_miss, one_line
from asrnn.files import cannot_write, replacing, write_atomically

FOLDER = Path(__file__).parent

Arrays = dict[str, np.ndarray]


class Pretrained(NamedTuple):
    """A trained network as it was read."""

    config: ConfigDict
    arrays: Arrays
    facts: dict[str, Any]
    """All of NAME.json."""


def names() -> list[str]:
    """The networks that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def check_network(given: str) -> None:
    """Checks that a network of that name ships, or that there is such a folder; ~ is the home.

    Raises:
      ConfigError: if there is neither.
    """
    shipped = names()
    if given in shipped:
        return
    with suppress(OSError, RuntimeError):  # a name that is too long to be one; nobody's home
        if Path(given).expanduser().is_dir():
            return
    raise ConfigError(
        f"no folder {given}, and no trained network of that name ships with asrnn; these do:"
        f" {', '.join(shipped) or 'none'}{near_miss(given, shipped)}"
    )


def read(name: str) -> Pretrained:
    """Reads a network and checks that its arrays are those that were written.

    Raises:
      ConfigError: if no network of that name ships.
      CheckpointError: if one of its files is damaged.
    """
    check_choice("the name of a trained network", name, names())
    path = FOLDER / f"{name}.npz"
    try:
        facts = json.loads((FOLDER / f"{name}.json").read_text())
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise ValueError(f"the sha256 of {path.name} is not the recorded one")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        return Pretrained(completed(flatten(facts["config"])), arrays, facts)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, ConfigError) as error:
        raise CheckpointError(
            f"the trained network {name} in {FOLDER} is damaged ({one_line(error)});"
            " install asrnn again"
        ) from None


def check_name(name: str) -> None:
    """Checks that a name can be a file name on every system.

    Raises:
      ConfigError: unless it has lower-case letters, digits, dots and hyphens only.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise ConfigError(
            "the name of a trained network has lower-case letters, digits, dots and hyphens only,"
            f" for example mnist-gated; found {name!r}"
        )


def write(name: str, arrays: Arrays, facts: dict[str, Any]) -> Path:
    """Writes both files; the path of NAME.npz.

    Args:
      name: checked, as `check_name` does.
      arrays: float32, by dotted name.
      facts: JSON values, `config` among them.

    Raises:
      CheckpointError: if they cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    content, path = buffer.getvalue(), FOLDER / f"{name}.npz"
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise cannot_write(path, error) from None
    facts = {"name": name, **facts, "sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(FOLDER / f"{name}.json", json.dumps(facts, indent=2) + "\n")
    return path
