"""`python -m asrnn`: which commands there are."""

import ast
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


if __name__ == "__main__":
    print("Commands, each with --help:\n")
    for name, line in commands().items():
        print(f"  python -m asrnn.{name:<10} {line}")
    sys.exit(ConfigError.exit_code if sys.argv[1:] else 0)
