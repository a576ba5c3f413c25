"""Prints a completion script for bash, zsh or fish, which needs no Python in use.

  eval "$(asrnn completion bash)"                # in ~/.bashrc; zsh in ~/.zshrc
  asrnn completion fish | source                 # in ~/.config/fish/config.fish

It knows the commands and their flags, the configs, variants and spaces that
ship, the fields of --config and the values of those that choose. After an
upgrade a new shell knows the new ones.
"""

from importlib import import_module
from pathlib import Path

from absl import flags

from asrnn import shipped
from asrnn.__main__ import commands
from asrnn.command import run
from asrnn.shell_completion import SHELLS, Flag, Words

FIXED = {"--help": Flag("What it does, and its flags.", (), switch=True)}

ONE_OF = "one of "  # so begins what `asrnn.options.one_of` says of itself


def main(shell: str) -> None:
    """Prints the script of a shell."""
    print(SHELLS[shell]({name: (about, words_of(name)) for name, about in commands().items()}))


def words_of(name: str) -> Words:
    """What may follow a command: its words, and its flags with their values."""
    if f"asrnn.{name}" == __spec__.name:
        return Words(tuple(SHELLS), FIXED)
    others = list(flags.FLAGS)
    of_room = (Path(__file__).parent / name).is_dir()  # `python -m asrnn.runs`
    module = import_module(f"asrnn.{name}" + ".__main__" * of_room)
    own = {flag: flags.FLAGS[flag] for flag in flags.FLAGS if flag not in others}
    found: dict[str, Flag] = {}
    for flag, it in own.items():
        values = known_values(flag) or tuple(getattr(it.parser, "enum_values", None) or ())
        found[f"--{flag}"] = Flag(it.help, values, switch=it.boolean)
        if it.boolean:
            found[f"--no{flag}"] = Flag(it.help, (), switch=True)
        delattr(flags.FLAGS, flag)  # the next command may have one of this name
    if "config" in own:
        found |= fields()
    return Words(tuple(getattr(module, "CHOICES", ())), found | FIXED)


def known_values(flag: str) -> tuple[str, ...]:
    """The names that a flag can be given, where files of these names ship."""
    from asrnn import pretrained
    from asrnn.tasks import TASKS

    if flag == "config":
        names = shipped.names(shipped.CONFIGS)
        return (*names, *(f"{name}:{it}" for name in names for it in shipped.variants(name)))
    if flag == "space":
        return tuple(shipped.names(shipped.SPACES))
    if flag == "task":
        return tuple(name for name, kind in TASKS.items() if kind.image_set)
    return tuple(pretrained.names()) if flag == "pretrained" else ()


def fields() -> dict[str, Flag]:
    """The fields of --config, with the values of those that have a few."""
    from asrnn.config import CHOICES, all_options

    found = {}
    for field, option in all_options().items():
        values = tuple(CHOICES.get(field, ()))
        if option.check is not None and option.check.words.startswith(ONE_OF):
            values = tuple(option.check.words.removeprefix(ONE_OF).split(", "))
        if isinstance(option.default, bool):
            values = ("true", "false")
        found[f"--config.{field}"] = Flag(option.help, values)
    return found


if __name__ == "__main__":
    run(main, choices=SHELLS)
