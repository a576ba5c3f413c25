"""What can go wrong for a user, each with its exit code and one readable line.

| code | class             | meaning                                                 |
|------|-------------------|---------------------------------------------------------|
| 2    | `ConfigError`     | usage or configuration                                  |
| 3    | `DataError`       | data missing or damaged                                 |
| 4    | `DivergedError`   | loss not finite                                         |
| 5    | `CheckpointError` | checkpoint or disk; a damaged file that a command wrote |
| 6    | `WorkdirInUse`    | another run holds the workdir                           |
| 75   | `Interrupted`     | stopped by a signal, saved; run again to go on          |

Anything else that leaves a command is a defect: a traceback and exit code 1.
"""

import difflib
import re
from collections.abc import Collection

CLOSE = 0.6  # how similar a name must be to one that is suggested instead


_SAID_OTHERWISE = {
    r"invalid literal for int\(\) with base \d+: (.*)": r"must be a whole number, found \1",
    r"could not convert string to float: (.*)": r"must be a number, found \1",
    r"\('Non-boolean argument to boolean flag', (.*)\)": r"must be true or false, found \1",
    r"Exceeds the limit \(\d+ digits\) for integer string conversion.*": "has too many digits",
}


class AsrnnError(Exception):
    """A foreseeable failure; its text is one line: what was wrong, found, to do."""

    exit_code = 1


class ConfigError(AsrnnError):
    """A flag, a config field or a combination of them that cannot be used."""

    exit_code = 2


class DataError(AsrnnError):
    """A data file that is missing, truncated or not what it should be."""

    exit_code = 3


class DivergedError(AsrnnError):
    """A loss or gradient that is not finite."""

    exit_code = 4


class CheckpointError(AsrnnError):
    """A file of a run, sweep or table that cannot be written or read, or a full disk."""

    exit_code = 5


class WorkdirInUse(AsrnnError):
    """A workdir that another running process writes to."""

    exit_code = 6


class Interrupted(AsrnnError):
    """A run stopped by a signal after its state was saved."""

    exit_code = 75


def check_choice(what: str, value: object, choices: Collection[str]) -> None:
    """Raises ConfigError, listing the names, unless value is one of choices."""
    if value not in choices:
        raise ConfigError(
            f"{what} must be one of {', '.join(choices)}; found {value!r}"
            + (near_miss(value, choices) if isinstance(value, str) else "")
        )


def near_miss(value: str, choices: Collection[str]) -> str:
    """The suffix "; did you mean ...?" where one of choices is close, else nothing."""
    best = max(choices, key=lambda choice: _likeness(value, choice), default="")
    return f"; did you mean {best!r}?" if _likeness(value, best) >= CLOSE else ""


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; a folder or section that both are in makes them no more alike."""
    parts, others = (re.split(r"(?<=[/.])", name) for name in (one, other))
    while len(parts) > 1 and len(others) > 1 and parts[0] == others[0]:
        parts, others = parts[1:], others[1:]
    return difflib.SequenceMatcher(None, "".join(parts), "".join(others)).ratio()


def out_of_memory(error: Exception) -> ConfigError | None:
    """What to say of an error of Python, NumPy or XLA if it is about memory; else None."""
    text = " ".join(str(error).split())
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in text:
        return None
    found = f" ({text[:200]})" if text else ""
    return ConfigError(
        f"out of memory{found}; make the network or the batch smaller, for example"
        " config.model.hidden_size or config.training.batch_size"
    )


def in_words(text: str) -> str:
    """What Python, absl and ml_collections say of a value of the wrong kind, as a user would."""
    for theirs, ours in _SAID_OTHERWISE.items():
        text = re.sub(theirs, ours, text)
    return text


def one_line(error: BaseException) -> str:
    """The text of an exception of a library as one line of bounded length."""
    return " ".join(str(error).split())[:300]
