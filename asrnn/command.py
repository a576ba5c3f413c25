"""What the commands share: flags in, one call, an exit code and one readable line out."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from absl import flags
from ml_collections import ConfigDict

from asrnn.errors import AsrnnError, ConfigError


def run(main: Callable[[], None], argv: Sequence[str] | None = None) -> None:
    """Parses the flags, calls main, and leaves with the exit code of `asrnn.errors`.

    Foreseeable failures end in one line on stderr. A traceback and code 1 are a defect.
    """
    argv = sys.argv if argv is None else argv
    try:
        if {"--help", "-h", "-help", "--helpfull"} & set(argv[1:]):
            print(_help())
            sys.exit(0)
        _parse(argv)
        main()
    except AsrnnError as error:
        print(f"{_name()}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"{_name()}: interrupted; what was saved before is kept", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def read_config_flag(flag: flags.FlagHolder[ConfigDict]) -> ConfigDict:
    """The config of a `--config` flag; ml_collections may run its file only now.

    Raises:
      ConfigError: for a file that is missing or fails.
    """
    with _config_errors():
        config = flag.value
        if config is None:
            raise ConfigError("no config given; for example --config=configs/digits.py")
        getattr(config, "to_dict", None)  # raises on what stands for a file that failed to load
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"get_config must return a ConfigDict, found {type(config).__name__}")
    return config


def _parse(argv: Sequence[str]) -> None:
    """Parses argv into absl's flags; every way to get it wrong becomes a ConfigError."""
    try:
        with _config_errors():
            stray = flags.FLAGS(list(argv))[1:]
    except flags.Error as error:
        raise ConfigError(_sentence(error)) from None
    if stray:
        hint = f"; did you mean --{stray[0]}?" if stray[0].startswith("config") else ""
        raise ConfigError(f"stray argument {stray[0]!r}: flags begin with two dashes{hint}")


@contextmanager
def _config_errors() -> Iterator[None]:
    """Turns what ml_collections and a user's config file raise into ConfigErrors."""
    try:
        yield
    except (AsrnnError, flags.Error):
        raise
    except (AttributeError, KeyError) as error:
        text = _sentence(error)
        hint = text[max(text.find("Did you mean"), 0) :]
        raise ConfigError(f"unknown config field: {hint}") from None
    except Exception as error:  # whatever a user's file may raise
        raise ConfigError(
            f"the config cannot be read ({type(error).__name__}: {_sentence(error)})"
        ) from None


def _help() -> str:
    module = sys.modules["__main__"]
    return f"{(module.__doc__ or '').strip()}\n\nFlags:{flags.FLAGS.main_module_help()}"


def _name() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec is not None else "asrnn"


def _sentence(error: Exception) -> str:
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return " ".join(text.split()).strip("'")
