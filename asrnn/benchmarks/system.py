"""The contract of what is measured: a system prepares a workload, and then only runs it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from asrnn.benchmarks.cases import Workload


class Prepared(NamedTuple):
    """A workload that is ready to run.

    Attributes:
      run: does the work once and returns its result, complete.
      repetitions: how many times over one call of `run` does the work.
      compile_seconds: tracing and compiling; None for a system that does not compile.
      details: what a reader of the row should know, such as the number of devices.
    """

    run: Callable[[], Any]
    repetitions: float = 1.0
    compile_seconds: float | None = None
    details: dict[str, Any] = {}  # noqa: RUF012


@dataclass(frozen=True)
class System:
    """Something that can do some of `asrnn.benchmarks.cases.WORKS`.

    Attributes:
      works: which.
      prepare: compiles a workload and places its inputs.
      obstacle: why it cannot be used here, in a few words; None if it can.
    """

    works: tuple[str, ...]
    prepare: Callable[[Workload], Prepared]
    obstacle: Callable[[], str | None] = lambda: None


Options = dict[str, str | int]
"""What the compiler is told for one program, by the names of XLA's flags."""


def compiled(function: Any, *args: Any, options: Options | None = None) -> tuple[Any, float]:
    """A jitted function compiled for its arguments, and the seconds that this took."""
    began = time.perf_counter()
    executable = function.lower(*args).compile(options)
    return executable, time.perf_counter() - began
