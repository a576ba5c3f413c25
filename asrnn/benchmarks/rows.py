"""What is known of one measurement, as it stands in the JSON."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from asrnn.benchmarks.cases import Workload
from asrnn.benchmarks.system import Prepared

Row = dict[str, Any]


def make_row(workload: Workload, system: str, prepared: Prepared, seconds: Sequence[float]) -> Row:
    """The row of a system's runs of a workload.

    Args:
      workload: what was done.
      system: who did it.
      prepared: how.
      seconds: of each call of `prepared.run`.
    """
    milliseconds = [1000 * one / prepared.repetitions for one in seconds]
    compile_seconds = prepared.compile_seconds
    return {
        "case": workload.case.name,
        "cell": workload.cell,
        "work": workload.work,
        "system": system,
        "median_ms": round(median(milliseconds), 4),
        "min_ms": round(min(milliseconds), 4),
        "runs": len(milliseconds),
        "runs_ms": [round(one, 4) for one in milliseconds],
        "repetitions": prepared.repetitions,
        "shape": workload.case.shape._asdict(),
        "compile_seconds": None if compile_seconds is None else round(compile_seconds, 3),
        "peak_memory_bytes": None,
        **prepared.details,
    }
