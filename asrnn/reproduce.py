"""Rebuilds a table or a figure of the paper from runs, beside the paper's numbers.

python -m asrnn.reproduce table1|table2 [--data_dir=DIR] [--source=files|tfds] [--rows=a,b]
                          [--norun] [--workers=2] [--quick] [--out=DIR] [--runs=DIR]
python -m asrnn.reproduce integrators  (as a table; not in the paper: schemes on one field)
python -m asrnn.reproduce spectra [--quick] [--out=DIR]
python -m asrnn.reproduce figure1 [--out=DIR]

A table runs what is missing, or goes on where it stopped, and writes Markdown, CSV and JSON.
The figures need no runs and no data.
"""

from pathlib import Path

from absl import flags

from asrnn.command import goes_only, run
from asrnn.errors import CheckpointError, ConfigError

TABLES = ("table1", "table2", "integrators")
FIGURES = ("figure1", "spectra")

OUT = flags.DEFINE_string("out", "experiments/results", "Folder of the tables and figures.")
RUNS = flags.DEFINE_string("runs", "runs/reproduce", "Folder of the runs that tables are made of.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data, as config.task.data_dir.")
SOURCE = flags.DEFINE_enum("source", None, ["files", "tfds"], "As config.task.source.")
ROWS = flags.DEFINE_list("rows", [], "Rows to run; by default all but those that are only cited.")
RUN = flags.DEFINE_bool("run", True, "Run what is missing; --norun only reads what is there.")
WORKERS = flags.DEFINE_integer("workers", 1, "Runs at a time; they share cores and GPUs.")
QUICK = flags.DEFINE_bool(
    "quick", False, "Scale everything down, to see that it works; written to separate files."
)


def main(what: str) -> None:
    """Reads the flags and writes what was asked for."""
    from asrnn.training.devices import leave_accelerators_alone

    leave_accelerators_alone()
    goes_only("with a table", what in TABLES, RUNS, DATA_DIR, SOURCE, ROWS, RUN, WORKERS)
    goes_only("with a table or spectra", what != "figure1", QUICK)
    goes_only("without --norun", bool(RUN.value), ROWS, WORKERS)
    if WORKERS.value < 1:
        raise ConfigError(f"--workers must be at least 1, found {WORKERS.value}")
    out = Path(OUT.value)
    try:
        out.mkdir(parents=True, exist_ok=True)
        said = make_table(what, out) if what in TABLES else draw_figure(what, out)
    except OSError as error:
        raise CheckpointError(f"cannot write to {out}: {error}; give another --out") from None
    print("\n".join(said))


def make_table(name: str, out: Path) -> list[str]:
    """Runs what is missing and writes the table from what is there, also when it was stopped.

    Returns:
      The table, and a line on each file that was written.
    """
    from asrnn.console import to_stderr
    from asrnn.files import write_atomically
    from asrnn.paper.integrators import draw_integrators, integrator_table
    from asrnn.paper.table_definition import choose_rows, jobs_of, read_table
    from asrnn.paper.table_results import check_workdirs, make_result, read_results, run_missing
    from asrnn.paper.table_text import csv_table, json_table, markdown_table
    from asrnn.sweeps import engines

    given = {"task.data_dir": DATA_DIR.value, "task.source": SOURCE.value}
    data = {field: value for field, value in given.items() if value is not None}
    quick = bool(QUICK.value)
    table = read_table(name)
    jobs = {row.name: jobs_of(row, Path(RUNS.value), quick=quick, data=data) for row in table.rows}
    wanted = [job for row in choose_rows(table, ROWS.value) for job in jobs[row.name]]
    stem = f"{name}-quick" if quick else name
    read_results(out / f"{stem}.json")  # refuses a damaged one before anything runs
    if RUN.value:
        check_workdirs(wanted)
    try:
        if RUN.value:
            run_missing(
                wanted,
                lambda jobs, watch: engines.run_locally(jobs, workers=WORKERS.value, watch=watch),
            )
    finally:
        kept = read_results(out / f"{stem}.json")  # another reproduce may have written meanwhile
        rows = [
            make_result(
                name, row, jobs[row.name], kept.get(row.name), quick=quick, report=to_stderr
            )
            for row in table.rows
        ]
        as_text = integrator_table if name == "integrators" else markdown_table
        text = as_text(table.title, rows)
        files = {".md": text, ".csv": csv_table(rows), ".json": json_table(rows)}
        for suffix, content in files.items():
            write_atomically(out / f"{stem}{suffix}", content)
        written = [out / f"{stem}{suffix}" for suffix in files]
        if name == "integrators":
            written.append(draw_integrators(table.title, rows, out / f"{stem}.png"))
    return [text, *(f"written: {path}" for path in written)]


def draw_figure(name: str, out: Path) -> list[str]:
    """Computes and draws a figure; a line on each file that was written."""
    from asrnn.paper import figure1, spectra

    if name == "figure1":
        written = [figure1.draw_figure1(out / "figure1.png")]
    else:
        written = spectra.write_spectra(out, quick=bool(QUICK.value))
    return [f"written: {path}" for path in written]


if __name__ == "__main__":
    run(main, choices=(*TABLES, *FIGURES))
