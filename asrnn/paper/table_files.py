"""A table as files: what is missing is run, what is there is kept."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from asrnn.console import to_stderr
from asrnn.files import write_atomically
from asrnn.paper import table_definition
from asrnn.paper.integrators import INTEGRATORS, draw_integrators, integrator_table
from asrnn.paper.table_definition import choose_rows, stages_of
from asrnn.paper.table_results import check_workdirs, make_result, read_results, run_missing
from asrnn.paper.table_text import csv_table, json_table, markdown_table
from asrnn.runs.checkpoints import Checkpoints
from asrnn.runs.summary import DONE
from asrnn.runs.workdir import CHECKPOINTS
from asrnn.sweeps import engines
from asrnn.sweeps.trials import Job, Watch, outcome


def make_table(
    name: str,
    out: Path,
    *,
    runs: Path,
    data: dict[str, Any],
    rows: Sequence[str] = (),
    quick: bool = False,
    run: bool = True,
    workers: int = 1,
) -> list[str]:
    """Runs what is missing and writes the table from what is there, also when it was stopped.

    Args:
      name: "table1", "table2", "integrators" or "trainability".
      out: the folder of the files.
      runs: the folder of the runs.
      data: the fields of a config that say where the data are, by dotted name.
      rows: the names of those to run; by default all that are not only cited.
      quick: everything scaled down, in files of its own.
      run: whether to run anything.
      workers: runs at a time.

    Returns:
      The table, and a line on each file that was written.
    """
    table = table_definition.read_table(name)
    stages = {row.name: stages_of(row, runs, quick=quick, data=data) for row in table.rows}
    chosen = [stages[row.name] for row in choose_rows(table, list(rows))]
    stem = f"{name}-quick" if quick else name
    read_results(out / f"{stem}.json")  # refuses a damaged one before anything runs
    if (out / f"{stem}.md").exists() and not (out / f"{stem}.json").exists():
        to_stderr(f"{out / stem}.json is gone: the table will hold only what is in {runs}")
    if run:
        check_workdirs([job for jobs in chain(*chosen) for job in jobs])
    try:
        if run:
            _run_stages(chosen, workers)
    finally:
        kept = read_results(out / f"{stem}.json")  # another reproduce may have written meanwhile
        results = [
            make_result(
                name, row, stages[row.name], kept.get(row.name), quick=quick, report=to_stderr
            )
            for row in table.rows
        ]
        as_text = integrator_table if name == INTEGRATORS else markdown_table
        text = as_text(table.title, results)
        files = {".md": text, ".csv": csv_table(results), ".json": json_table(results)}
        for suffix, content in files.items():
            write_atomically(out / f"{stem}{suffix}", content)
        written = [out / f"{stem}{suffix}" for suffix in files]
        if name == INTEGRATORS:
            written.append(draw_integrators(table.title, results, out / f"{stem}.png"))
    return [text, *(f"written: {path}" for path in written)]


def _run_stages(rows: Sequence[Sequence[Sequence[Job]]], workers: int) -> None:
    """Runs what is missing, all first stages before all second ones, and so on."""

    def engine(jobs: Sequence[Job], watch: Watch) -> None:
        engines.run_locally(jobs, workers=workers, watch=watch)

    for number in range(max(map(len, rows))):
        jobs = [
            jobs[number]
            for stages in rows
            for jobs in zip(*stages, strict=True)
            if number < len(jobs) and _wanted(jobs, number)
        ]
        if jobs:
            run_missing(jobs, engine)


def _wanted(jobs: Sequence[Job], number: int) -> bool:
    """Whether a stage of a seed goes on, or can begin and is still needed."""
    if _has_parameters(jobs[number]):
        return True
    if any(_has_parameters(job) for job in jobs[number + 1 :]):
        return False
    return number == 0 or outcome(jobs[number - 1]).status == DONE


def _has_parameters(job: Job) -> bool:
    """Whether a run is past its start, and needs those of an earlier one no more."""
    return outcome(job).finished or bool(Checkpoints(job.workdir / CHECKPOINTS).steps())
