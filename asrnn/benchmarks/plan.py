"""What a user asks the benchmark for."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asrnn.benchmarks.cases import (
    CASES,
    CELLS,
    POPULATION_CASES,
    POPULATION_DEFAULT,
    WORKS,
    selected,
)
from asrnn.benchmarks.systems import SYSTEMS
from asrnn.errors import CheckpointError, ConfigError
from asrnn.recurrence import BACKENDS


class Plan(NamedTuple):
    """Names of what to measure, and how.

    Attributes:
      cases: of `asrnn.benchmarks.cases.CASES`, for populations of `POPULATION_CASES`.
      cells: of `asrnn.benchmarks.cases.CELLS`; growing sizes are measured with the first.
      works: of `asrnn.benchmarks.cases.WORKS`.
      systems: of `asrnn.benchmarks.systems.SYSTEMS`.
      repeats: counted runs of each.
      scaling: whether to follow the cost over growing T, B and n.
      memory: whether to measure the peak memory of train steps.
      population: sizes of populations to measure against the same members one by one;
        if there are any, nothing else is measured.
    """

    cases: list[str]
    cells: list[str]
    works: list[str]
    systems: list[str]
    repeats: int
    scaling: bool
    memory: bool
    population: Sequence[int] = ()

    def command(self) -> str:
        """The command that asks for this plan."""
        lists = {
            "cases": (self.cases, POPULATION_DEFAULT if self.population else CASES),
            "cells": (self.cells, CELLS),
            "work": (self.works, WORKS),
            "systems": (self.systems, _systems(self.population)),
        }
        flags = [
            f"--{flag}={','.join(names).replace(' ', '-')}"
            for flag, (names, default) in lists.items()
            if names != list(default)
        ]
        flags.append(f"--repeats={self.repeats}")
        flags += [f"--population={','.join(map(str, self.population))}"] if self.population else []
        flags += ["--scaling"] if self.scaling else []
        flags += [] if self.memory else ["--nomemory"]
        return " ".join(["python -m asrnn.benchmark", *flags])


def make_plan(
    cases: Sequence[str],
    cells: Sequence[str],
    works: Sequence[str],
    systems: Sequence[str],
    population: Sequence[str] = (),
    **options: Any,
) -> Plan:
    """A plan from the flags; an empty list stands for all names, or the usual ones for populations.

    Raises:
      ConfigError: for an unknown name, a case that only populations have, or an
        impossible size of a population.
    """
    sizes = _sizes(population)
    own = [name for name in cases if name in POPULATION_CASES and name not in CASES]
    if own and not sizes:
        raise ConfigError(f"--cases={own[0]} needs --population=SIZES, such as 8,32")
    spelled = [name.replace("_", " ").replace("-", " ") for name in works]
    return Plan(
        selected("--cases", cases or POPULATION_DEFAULT, POPULATION_CASES)
        if sizes
        else selected("--cases", cases, CASES),
        selected("--cells", cells, CELLS),
        selected("--work", spelled, WORKS),
        selected("--systems", systems, _systems(sizes)),
        population=sizes,
        **options,
    )


def _systems(population: Sequence[int]) -> Collection[str]:
    return BACKENDS if population else SYSTEMS


def _sizes(given: Sequence[str]) -> list[int]:
    if not all(size.isdecimal() and int(size) > 1 for size in given):
        raise ConfigError(
            f"--population must be sizes above 1, such as 8,32; found {','.join(given)}"
        )
    return [int(size) for size in given]


def checked_output(name: str | None) -> Path | None:
    """The file of `--out`.

    Raises:
      ConfigError: if it is not to be a .json file.
      CheckpointError: if there is no folder for it.
    """
    if name is None:
        return None
    path = Path(name)
    if path.suffix != ".json":
        raise ConfigError(f"--out must name a .json file, found {name!r}")
    if not path.parent.is_dir():
        raise CheckpointError(f"--out={name}: there is no folder {path.parent}; create it first")
    return path
