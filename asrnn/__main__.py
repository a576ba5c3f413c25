"""`asrnn`: which commands there are, and the way to each of them.

`asrnn train --config=digits` is `python -m asrnn.train --config=digits`.
"""

import ast
import re
import runpy
import sys
import textwrap
from pathlib import Path

from asrnn import __version__
from asrnn.errors import ConfigError, near_miss
from asrnn.signals import take_as

RUNS = re.compile(r"^    (command\.)?run\(main", re.MULTILINE)
WIDTH = 79  # of the text for a terminal


def commands() -> dict[str, str]:
    """The first line about each command, by name: the modules beside this one that run one."""
    found = {}
    here = Path(__file__).parent
    for file in sorted([*here.glob("*.py"), *here.glob("*/__main__.py")]):
        text = file.read_text(encoding="utf-8")
        if RUNS.search(text):
            name = file.stem if file.parent == here else file.parent.name
            found[name] = (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]
    return found


def main() -> None:
    """Runs the module of a command; without one, lists them."""
    word = sys.argv[1] if sys.argv[1:] else "--help"
    if word in ("--help", "-h", "help"):
        print("Commands, each with --help:\n")
        for name, about in commands().items():
            line = f"  asrnn {name:<12}{about}"
            print(textwrap.fill(line, WIDTH, subsequent_indent=" " * len(f"  asrnn {'':<12}")))
        print("\nEach is a module too: python -m asrnn.train.")
    elif word == "--version":
        print(f"asrnn {__version__}")
    elif word in (known := commands()):
        take_as(f"asrnn {word}")
        del sys.argv[1]
        runpy.run_module(f"asrnn.{word}", run_name="__main__", alter_sys=True)
    else:
        print(
            f"asrnn: no command {word!r}{near_miss(word, known)}; there are {', '.join(known)}",
            file=sys.stderr,
        )
        sys.exit(ConfigError.exit_code)


if __name__ == "__main__":
    main()
