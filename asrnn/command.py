"""What the commands share: flags in, one call, an exit code and one readable line out."""

import errno
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from asrnn.console import to_stderr
from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    check_choice,
    in_words,
    near_miss,
    out_of_memory,
)
from asrnn.shipped import CONFIGS, configs_table, find_config, listed, names
from asrnn.signals import INTERRUPTED, command_name, leave, leave_with, obeyed

CLOSED_PIPE = 128 + signal.SIGPIPE
"""What a shell reports of `seq 9999 | head -1`, too."""


def run(
    main: Callable[..., None],
    argv: Sequence[str] | None = None,
    *,
    choices: Collection[str] = (),
    takes_folder: bool = False,
) -> None:
    """Parses the flags, calls main, and leaves with the exit code of `asrnn.errors`.

    Foreseeable failures end in one line on stderr. A traceback and code 1 are a defect. So do
    signals, until `asrnn.signals.StopRequest` takes them over, for that takes seconds of imports.

    Args:
      main: the command; with `choices`, a function of the one that was given.
      argv: by default that of this process.
      choices: the words of which a command takes exactly one, beside its flags.
      takes_folder: whether main takes a folder, which may be given beside the flags.
    """
    if argv is None:
        sys.argv[1:] = _config_first(sys.argv[1:])  # ml_collections looks there
        argv = sys.argv
    before = {number: signal.signal(number, leave) for number in obeyed()}
    code = AsrnnError.exit_code  # of a defect
    try:
        code = _outcome(main, argv, choices, takes_folder)
    finally:
        if leave in before.values():  # the process is this command's, and ends with it
            leave_with(code)
        else:
            for number, handler in before.items():
                signal.signal(number, handler)
    if code:
        sys.exit(code)


def _outcome(
    main: Callable[..., None], argv: Sequence[str], choices: Collection[str], takes_folder: bool
) -> int:
    """Calls the command; the exit code, after the line that explains it."""
    try:
        if {"--help", "-h", "-help", "--helpfull"} & set(argv[1:]):
            print(_help())
        else:
            main(*_parse(argv, choices, takes_folder))
        sys.stdout.flush()  # here, where it can still be said that it failed
    except AsrnnError as error:
        return _failed(error)
    except KeyboardInterrupt:
        _say("interrupted; run the same command again")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_output()
        return CLOSED_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        return _failed(
            CheckpointError("cannot write the output: the disk is full; free some space")
        )
    except Exception as error:
        said = out_of_memory(error)
        if said is None:
            raise
        return _failed(said)
    return 0


def _config_first(words: Sequence[str]) -> list[str]:
    """The words with --config before the fields that change it, as ml_collections wants them."""
    for place, word in enumerate(words):
        name, has_value, _ = word.lstrip("-").partition("=")
        follows = words[place + 1 : place + 2] and not words[place + 1].startswith("-")
        if word.startswith("-") and name == "config" and (has_value or follows):
            end = place + (1 if has_value else 2)
            return [*words[place:end], *words[:place], *words[end:]]
    return list(words)


def _failed(error: AsrnnError) -> int:
    _say(str(error))
    return error.exit_code


def _say(line: str) -> None:
    """Prints the closing line; a signal that comes now has nothing to add."""
    for number in obeyed():
        signal.signal(number, signal.SIG_IGN)
    to_stderr(f"{command_name()}: {line}")


def _drop_output() -> None:
    """Leads stdout nowhere, or Python would complain once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _ConfigParser(flags.ArgumentParser[Any]):
    """Loads a config file that ships by its name, any other by its path.

    Args:
      by_path: the parser that loads a file.
    """

    def __init__(self, by_path: Any):
        self._by_path = by_path

    def parse(self, given: str) -> Any:
        return self._by_path.parse(find_config(given))

    def flag_type(self) -> str:
        return str(self._by_path.flag_type())


def define_config_flag() -> flags.FlagHolder[ConfigDict]:
    """Defines --config; ml_collections reads files named by --flagfile already here."""
    try:
        flag: flags.FlagHolder[ConfigDict] = config_flags.DEFINE_config_file(
            "config",
            None,
            "A config that ships, or a file; variants after a colon: mnist:gated,quick.",
            lock_config=True,
        )
        flags.FLAGS["config"].parser = _ConfigParser(flags.FLAGS["config"].parser)
        return flag
    except (flags.Error, OSError) as error:
        print(f"{command_name()}: {_sentence(error)}", file=sys.stderr)
        sys.exit(ConfigError.exit_code)


def read_config_flag(flag: flags.FlagHolder[ConfigDict]) -> ConfigDict:
    """The config of a `--config` flag; ml_collections may run its file only now.

    Where another flag chooses a component, what the file says for the former one is reset.

    Raises:
      ConfigError: for a file that is missing or fails.
    """
    from asrnn.config import follow_choices

    with _config_errors():
        config = flag.value
        if config is None:
            raise ConfigError("no config given; for example --config=digits")
        getattr(config, "to_dict", None)  # raises on what stands for a file that failed to load
        if not isinstance(config, ConfigDict):
            raise ConfigError(f"get_config must return a ConfigDict, found {type(config).__name__}")
        follow_choices(config, config_flags.get_override_values(flags.FLAGS[flag.name]))
    return config


def train_command(flag: flags.FlagHolder[ConfigDict]) -> str:
    """The command that trains what the `--config` flags of this one say."""
    given = flags.FLAGS[flag.name]
    called = "asrnn train" if command_name().startswith("asrnn ") else "python -m asrnn.train"
    words = [f"--config={config_flags.get_config_filename(given)}"]
    words += [f"--config.{k}={v}" for k, v in config_flags.get_override_values(given).items()]
    return " ".join([called, *map(shlex.quote, words)])


def loading(library: str) -> None:
    """Says what is imported next, if that takes seconds in which nothing else is said."""
    if library not in sys.modules:
        to_stderr(f"{command_name()}: loading {library}")


def required(flag: flags.FlagHolder[str | None], example: str) -> str:
    """The value of a flag that a command cannot do without.

    Raises:
      ConfigError: if it was not given.
    """
    if not flag.value:
        raise ConfigError(f"no {flag.name} given; for example --{flag.name}={example}")
    return str(flag.value)


def network_flags() -> Callable[[], str | Path]:
    """Defines --workdir and --pretrained; returns what reads them, for `asrnn.load`.

    It gives the folder of a run as a path or the name of a network that ships, and raises
    ConfigError unless exactly one of them was given.
    """
    workdir = flags.DEFINE_string("workdir", None, "The folder of a run.")
    pretrained = flags.DEFINE_string("pretrained", None, "A trained network that ships, by name.")

    def given() -> str | Path:
        if workdir.value and pretrained.value:
            raise ConfigError("--workdir and --pretrained cannot be combined; leave one out")
        if pretrained.value:
            return str(pretrained.value)
        return Path(required(workdir, "runs/my-run"))

    return given


def goes_only(how: str, used: bool, *given: flags.FlagHolder[Any]) -> None:
    """Refuses flags that would be ignored.

    Args:
      how: what they go with, or without, as a user writes it.
      used: whether that is the case.
      given: the flags.

    Raises:
      ConfigError: for the first of them that a user gave.
    """
    for flag in given:
        if flag.present and not used:
            raise ConfigError(f"--{flag.name} can be used only {how}; leave it out")


def _parse(argv: Sequence[str], choices: Collection[str], takes_folder: bool) -> list[str]:
    """Parses argv into absl's flags; every way to get it wrong becomes a ConfigError.

    Returns:
      What is no flag: one of the choices, a folder, or nothing.
    """
    try:
        with _config_errors():
            stray = flags.FLAGS(list(argv))[1:]
    except flags.UnrecognizedFlagError as error:
        value = str(error.flagvalue).partition("=")[2]  # absl keeps the whole argument there
        meant = _config_flags(error.flagname, value) if "config" in flags.FLAGS else ""
        hint = f"unknown flag --{error.flagname}; {meant}" if meant else _reason(error)
        raise ConfigError(hint) from None
    except (ConfigError, flags.Error) as error:
        raise ConfigError(_wrong_override(argv) or _reason(error)) from None
    found, stray = (stray[:1], stray[1:]) if choices or takes_folder else ([], stray)
    if choices and not found:
        raise ConfigError(f"say which of {', '.join(choices)}")
    for word in found if choices else ():
        check_choice("the argument", word, choices)
    if stray:
        hint = _instead_of(stray[0])
        raise ConfigError(f"stray argument {stray[0]!r}: flags begin with two dashes{hint}")
    return found


def _wrong_override(argv: Sequence[str]) -> str | None:
    """What is wrong with the first --config.FIELD that names no field; None if all do."""
    from asrnn.config import all_options

    options = all_options()
    for word in argv[1:]:
        name, _, value = word.lstrip("-").partition("=")
        field = name.removeprefix("config.")
        if not word.startswith("-") or field == name or field in options:
            continue
        section = field if _fields_in(field) else field.rpartition(".")[0]
        names = _fields_in(section)
        if field == section:
            chooser = _chooser(section, value) or names[0]
            return (
                f"config.{section} is a section, found {word!r}; did you mean"
                f" --config.{section}.{chooser}={value}? It has {', '.join(names)}"
            )
        there = f"{section} has {', '.join(names)}" if names else ""
        if not there:
            there = f"there are {', '.join(sorted({it.partition('.')[0] for it in options}))}"
        return f"unknown config field {field!r}{near_miss(field, options)}; {there}"
    return None


def _fields_in(section: str) -> list[str]:
    """The names of the fields of a section of a config; none if there is no such section."""
    from asrnn.config import all_options

    return [field.rpartition(".")[2] for field in all_options() if field.startswith(f"{section}.")]


def _chooser(section: str, value: str) -> str | None:
    """The field of a section that chooses the component of this name."""
    from asrnn.config import CHOICES

    choosers = [field for field, table in CHOICES.items() if value in table]
    names = [field.rpartition(".")[2] for field in choosers if field.startswith(f"{section}.")]
    return names[0] if names else None


def _config_flags(name: str, value: str) -> str:
    """The hint for a field of the config that was given without its section."""
    from asrnn.config import all_options

    meant = [it for it in all_options() if it == name or it.rpartition(".")[2] == name]
    words = (f"--config.{field}" + (f"={value}" if value else "") for field in meant)
    return f"did you mean {' or '.join(words)}?" if meant else ""


def _instead_of(stray: str) -> str:
    """The hint for an argument that is no flag."""
    name, _, value = stray.partition("=")
    if "config" in flags.FLAGS:
        file = name.partition(":")[0]
        if file.endswith(".py") or file in names(CONFIGS):
            return f"; did you mean --config={stray}?"
        if name.partition(".")[0] == "config":
            return f"; did you mean --{stray}?"
        if meant := _config_flags(name, value):
            return f"; {meant}"
    if "workdir" in flags.FLAGS and Path(stray).is_dir():
        return f"; did you mean --workdir={stray}?"
    return ""


@contextmanager
def _config_errors() -> Iterator[None]:
    """Turns what ml_collections and a user's config file raise into ConfigErrors."""
    try:
        yield
    except (AsrnnError, flags.Error):
        raise
    except (AttributeError, KeyError) as error:
        text = _sentence(error)
        if "Did you mean" in text:
            hint = text[text.find("Did you mean") :]
            raise ConfigError(f"unknown config field: {hint}") from None
        raise _unreadable(error) from None
    except (Exception, SystemExit) as error:  # whatever a user's file may raise
        raise _unreadable(error) from None


def _unreadable(error: Exception | SystemExit) -> ConfigError:
    missing = re.search(r"No such file or directory: '(.*)'", str(error))
    if missing:
        path = Path(missing[1])
        beside = [str(other) for other in path.parent.glob("*.py")]
        known = names(CONFIGS)
        close = near_miss(str(path), beside) or near_miss(path.stem, known)
        return ConfigError(f"no config file {path}; {listed(known)}{close}")
    why = _reason(error)
    if isinstance(error, SyntaxError):
        why = f"{error.msg}, {error.filename} line {error.lineno}"
    return ConfigError(f"the config cannot be read ({type(error).__name__}: {why})")


def _reason(error: Exception | SystemExit) -> str:
    """The message; of a traceback within it, as ml_collections puts there, only the end."""
    text = str(error)
    if "Traceback" not in text:
        return _sentence(error)
    ends = list(re.finditer(r"^(\w+\.)*\w*(Error|Exception)\b", text, re.MULTILINE))
    return _sentence(text[ends[-1].start() :] if ends else text.splitlines()[-1])


def _help() -> str:
    about = (sys.modules["__main__"].__doc__ or "").strip()
    if command_name().startswith("asrnn "):
        about = about.replace("python -m asrnn.", "asrnn ")
        about = re.sub(r"^ {10}(?= {8})", "", about, flags=re.MULTILINE)  # what is shorter by this
    defined = (flags.FLAGS.module_help(__name__), flags.FLAGS.main_module_help())
    lines = [line for text in defined for line in text.strip("\n").splitlines()[1:]]
    text = "\n".join([about, "\nFlags:", *lines])
    if "config" not in flags.FLAGS:
        return text
    from asrnn.config import field_table

    return (
        f"{text}\n\nConfigs that ship, and their variants:\n{configs_table()}"
        f"\n\nFields of --config, their defaults where a config sets nothing\n(--dry_run prints"
        f" those of yours), and who reads them:\n{field_table()}"
    )


def _sentence(error: BaseException | str) -> str:
    first = error.args[0] if isinstance(error, BaseException) and error.args else error
    line = " ".join(str(first).split())
    return in_words(line[1:-1] if line[:1] == line[-1:] == "'" else line)
