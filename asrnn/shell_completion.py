"""Completion scripts for bash, zsh and fish, from lists of words: data in, text out."""

import shlex
import textwrap
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Flag(NamedTuple):
    """One flag of a command."""

    help: str
    values: tuple[str, ...]
    """Those that are known; it may have others, a path for example."""
    switch: bool = False
    """Whether it is given without a value."""


class Words(NamedTuple):
    """What may follow a command."""

    choices: tuple[str, ...]
    flags: Mapping[str, Flag]
    """By name, with the dashes."""


SHOWN = 60
"""Characters of the help of a flag that fish shows beside it."""

Commands = Mapping[str, tuple[str, Words]]
"""The line about each command, and its words."""

BASH = """\
_asrnn() {{
    # the word that is being typed: bash has cut it at = and :
    local word="${{COMP_LINE:0:COMP_POINT}}" words values
    word="${{word##* }}"
    case "${{COMP_CWORD}} ${{COMP_WORDS[1]}}" in
        1\\ *) words={names} values= ;;
{cases}
    esac
    case "$word" in
        *=*) COMPREPLY=($(compgen -W "$values" -- "$word"))
             case "$word" in *:*) ;; *)  # variants are offered after the colon
                 COMPREPLY=($(printf '%s\\n' "${{COMPREPLY[@]}}" | grep -v :)) ;; esac
             [ ${{#COMPREPLY[@]}} -gt 0 ] || {{
                 compopt -o filenames; COMPREPLY=($(compgen -f -- "${{word##*=}}")); return; }} ;;
        *)   COMPREPLY=($(compgen -W "$words" -- "$word"))
             case "${{COMPREPLY[*]}}" in *=) compopt -o nospace ;; esac ;;
    esac
    local typed="${{word%"${{word##*[=:]}}"}}"
    COMPREPLY=("${{COMPREPLY[@]#"$typed"}}")
}}
complete -F _asrnn asrnn"""

ZSH = """\
_asrnn() {{
    local -a names values
    local word="$PREFIX"
    if (( CURRENT == 2 )); then
        names=({names})
        compadd -a names
        return
    fi
    case "${{words[2]}}" in
{cases}
    esac
    if [[ $word == *=* ]]; then
        [[ $word == *:* ]] || values=(${{values:#*:*}})
        local -a fitting=(${{(M)values:#${{word}}*}})
        if (( $#fitting )); then compadd -a fitting
        else compset -P '*='; _files; fi
    else
        compadd -S '' -- ${{(M)names:#*=}}
        compadd -- ${{names:#*=}}
    fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit; compinit; }}
compdef _asrnn asrnn"""


def bash(commands: Commands) -> str:
    """The script for bash."""
    names = shlex.quote(" ".join(commands))
    cases = "\n".join(
        f"        *\\ {name}) words={shlex.quote(' '.join(_words(words)))}\n"
        f"            values={shlex.quote(' '.join(_values(words)))} ;;"
        for name, (_, words) in commands.items()
    )
    return BASH.format(names=names, cases=cases)


def zsh(commands: Commands) -> str:
    """The script for zsh."""
    cases = "\n".join(
        f"        {name}) names=({' '.join(map(shlex.quote, _words(words)))})\n"
        f"            values=({' '.join(map(shlex.quote, _values(words)))}) ;;"
        for name, (_, words) in commands.items()
    )
    return ZSH.format(names=" ".join(commands), cases=cases)


def fish(commands: Commands) -> str:
    """The script for fish, which shows the help of each flag."""
    lines = ["complete -c asrnn -n __fish_use_subcommand -f"]
    for name, (about, words) in commands.items():
        lines.append(
            f"complete -c asrnn -n __fish_use_subcommand -a {name} -d {shlex.quote(about)}"
        )
        after = f"complete -c asrnn -n '__fish_seen_subcommand_from {name}'"
        if words.choices:
            lines.append(f"{after} -f -a {shlex.quote(' '.join(words.choices))}")
        for flag, (help, values, switch) in words.flags.items():
            wanted = "" if switch else " -r"
            known = f" -a {shlex.quote(' '.join(values))}" if values else ""
            text = shlex.quote(textwrap.shorten(help, SHOWN, placeholder=" …"))
            lines.append(f"{after} -l {flag.removeprefix('--')}{wanted}{known} -d {text}")
    return "\n".join(lines)


def _words(words: Words) -> list[str]:
    """Choices and flags; one that takes a value ends in "="."""
    flags = (name if flag.switch else f"{name}=" for name, flag in words.flags.items())
    return [*words.choices, *flags]


def _values(words: Words) -> list[str]:
    return [f"{name}={value}" for name, flag in words.flags.items() for value in flag.values]


SHELLS: dict[str, Callable[[Commands], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
