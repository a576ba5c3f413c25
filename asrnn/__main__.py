"""`python -m asrnn`: which commands there are."""

import ast
import difflib
import sys
from pathlib import Path

from asrnn.errors import ConfigError


def commands() -> dict[str, str]:
    """The first line about each command, by name: the files beside this one that run one."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        text = file.read_text()
        if "\n    run(main" in text:
            found[file.stem] = (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]
    return found


def complaint(word: str) -> str:
    """What is wrong with a word after `python -m asrnn`, which takes none."""
    close = difflib.get_close_matches(word, commands(), n=1)
    hint = f"did you mean python -m asrnn.{close[0]}?" if close else "python -m asrnn lists them"
    return f"asrnn: a command is a module of its own, found {word!r}; {hint}"


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] not in ("--help", "-h"):
        print(complaint(sys.argv[1]), file=sys.stderr)
        sys.exit(ConfigError.exit_code)
    print("Commands, each with --help:\n")
    for name, line in commands().items():
        print(f"  python -m asrnn.{name:<10} {line}")
