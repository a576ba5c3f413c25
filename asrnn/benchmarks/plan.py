"""What a user asks the benchmark for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asrnn.benchmarks.cases import CASES, CELLS, WORKS, selected
from asrnn.benchmarks.systems import SYSTEMS
from asrnn.errors import ConfigError


class Plan(NamedTuple):
    """Names of what to measure, and how.

    Attributes:
      cases: of `asrnn.benchmarks.cases.CASES`.
      cells: of `asrnn.benchmarks.cases.CELLS`; growing sizes are measured with the first.
      works: of `asrnn.benchmarks.cases.WORKS`.
      systems: of `asrnn.benchmarks.systems.SYSTEMS`.
      repeats: counted runs of each.
      scaling: whether to follow the cost over growing T, B and n.
      memory: whether to measure the peak memory of train steps.
    """

    cases: list[str]
    cells: list[str]
    works: list[str]
    systems: list[str]
    repeats: int
    scaling: bool
    memory: bool

    def command(self) -> str:
        """The command that asks for this plan."""
        lists = {
            "cases": (self.cases, CASES),
            "cells": (self.cells, CELLS),
            "work": ([work.replace(" ", "-") for work in self.works], WORKS),
            "systems": (self.systems, SYSTEMS),
        }
        flags = [
            f"--{flag}={','.join(names)}"
            for flag, (names, known) in lists.items()
            if len(names) < len(known)
        ]
        flags.append(f"--repeats={self.repeats}")
        flags += ["--scaling"] if self.scaling else []
        flags += [] if self.memory else ["--nomemory"]
        return " ".join(["python -m asrnn.benchmark", *flags])


def make_plan(
    cases: Sequence[str],
    cells: Sequence[str],
    works: Sequence[str],
    systems: Sequence[str],
    **options: Any,
) -> Plan:
    """A plan from the flags; an empty list stands for all names.

    Raises:
      ConfigError: for an unknown name.
    """
    spelled = [name.replace("_", " ").replace("-", " ") for name in works]
    return Plan(
        selected("--cases", cases, CASES),
        selected("--cells", cells, CELLS),
        selected("--work", spelled, WORKS),
        selected("--systems", systems, SYSTEMS),
        **options,
    )


def checked_output(name: str | None) -> Path | None:
    """The file of `--out`.

    Raises:
      ConfigError: if it cannot be what the flag asks for.
    """
    if name is None:
        return None
    path = Path(name)
    if path.suffix != ".json":
        raise ConfigError(f"--out must name a .json file, found {name!r}")
    if not path.parent.is_dir():
        raise ConfigError(f"--out={name}: there is no folder {path.parent}")
    return path
