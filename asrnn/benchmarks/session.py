"""A run of the benchmark: what was asked for, in rows."""

from collections.abc import Callable, Sequence

from asrnn.benchmarks.cases import (
    CASES,
    FLOOR,
    FORWARD_BACKWARD,
    POPULATION_CASES,
    TRAIN_STEP,
    Case,
    Workload,
    scaling_cases,
)
from asrnn.benchmarks.memory import peak_memory_in_a_process
from asrnn.benchmarks.plan import Plan
from asrnn.benchmarks.populations import measure_population
from asrnn.benchmarks.report import Report
from asrnn.benchmarks.rows import Row, make_row
from asrnn.benchmarks.system import System
from asrnn.benchmarks.systems import SYSTEMS
from asrnn.benchmarks.timing import interleaved
from asrnn.errors import ConfigError


def run_plan(plan: Plan, report: Report, say: Callable[[str], None]) -> None:
    """Measures what a plan asks for; the report grows by one case and cell after the other.

    Args:
      plan: what to measure.
      report: takes the rows.
      say: takes lines for a person about the progress.

    Raises:
      ConfigError: if no system of the plan can be used here.
    """
    if plan.population:
        run_populations(plan, report, say)
        return
    systems = usable({name: SYSTEMS[name] for name in plan.systems}, say)
    for name in plan.cases:
        for cell in plan.cells:
            say(f"case {name}, {cell}")
            report.add(
                measure(CASES[name], cell, plan.works, systems, plan.repeats, memory=plan.memory)
            )
    if plan.scaling:
        repeats = max(3, plan.repeats // 2)
        for case in scaling_cases():
            say(f"scaling, {case.name}")
            rows = measure(case, plan.cells[0], [FORWARD_BACKWARD], systems, repeats)
            report.add_scaling(rows)


def run_populations(plan: Plan, report: Report, say: Callable[[str], None]) -> None:
    """Measures populations of the sizes of a plan; the report grows as in `run_plan`."""
    backends = list(usable({name: SYSTEMS[name] for name in plan.systems}, say))
    for name in plan.cases:
        for cell in plan.cells:
            say(f"populations, case {name}, {cell}")
            case = POPULATION_CASES[name]
            report.add_population(
                measure_population(case, cell, backends, plan.population, plan.repeats)
            )


def usable(systems: dict[str, System], report: Callable[[str], None]) -> dict[str, System]:
    """The systems without an obstacle; one line for each obstacle.

    Raises:
      ConfigError: if none is left.
    """
    obstacles: dict[str, list[str]] = {}
    left = {}
    for name, system in systems.items():
        obstacle = system.obstacle()
        if obstacle is None:
            left[name] = system
        else:
            obstacles.setdefault(obstacle, []).append(name)
    for obstacle, names in obstacles.items():
        report(f"{', '.join(names)} left out: {obstacle}")
    if not left:
        raise ConfigError("nothing is left to measure; name other --systems")
    return left


def measure(
    case: Case,
    cell: str,
    works: Sequence[str],
    systems: dict[str, System],
    repeats: int,
    *,
    memory: bool = False,
) -> list[Row]:
    """The rows of one case and cell; all kinds of work and all systems take turns.

    Args:
      case: its shape and, for train steps and evaluation, its images.
      cell: one of `asrnn.benchmarks.cases.CELLS`; peers have their own.
      works: what to measure.
      systems: who does it, as far as each can.
      repeats: runs of each.
      memory: whether to measure the peak memory of a train step, in a process for each system.
    """
    workloads = {
        (work, name): Workload(case, cell, work)
        for work in works
        for name, system in systems.items()
        if work in system.works
    }
    prepared = {
        (work, name): systems[name].prepare(workload)
        for (work, name), workload in workloads.items()
    }
    seconds = interleaved({key: ready.run for key, ready in prepared.items()}, repeats)
    rows = [
        make_row(workload, key[1], prepared[key], seconds[key])
        for key, workload in workloads.items()
    ]
    if memory:
        for row in rows:
            if row["work"] == TRAIN_STEP and row["system"] != FLOOR:
                workload = Workload(case, cell, TRAIN_STEP)
                row["peak_memory_bytes"] = peak_memory_in_a_process(row["system"], workload)
    return rows
