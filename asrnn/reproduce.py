"""Rebuilds a table or a figure of the paper from runs, beside the paper's numbers.

python -m asrnn.reproduce table1|table2 [--data_dir=DIR] [--source=files|tfds]
                          [--rows=a,b] [--norun] [--workers=2] [--quick]
                          [--out=DIR] [--runs=DIR]
python -m asrnn.reproduce integrators|trainability    (as a table)
python -m asrnn.reproduce spectra [--quick] [--out=DIR]
python -m asrnn.reproduce spectra --workdir=DIR [--data_dir=DIR]
                          [--source=files|tfds] [--out=DIR]
python -m asrnn.reproduce figure1 [--steps=50] [--out=DIR]
python -m asrnn.reproduce phase [--quick] [--out=DIR]

A table runs what is missing, or goes on where it stopped, and writes Markdown,
CSV and JSON. The figures need no runs and no data; spectra of a trained network
are those of a --workdir. Not in the paper: integrators (schemes on one field),
trainability (where a network can be trained), phase (where gradients survive).
"""

from pathlib import Path

from absl import flags

from asrnn.command import goes_only, loading, run
from asrnn.errors import CheckpointError, ConfigError

TABLES = ("table1", "table2", "integrators", "trainability")
FIGURES = ("figure1", "spectra", "phase")
CHOICES = (*TABLES, *FIGURES)

OUT = flags.DEFINE_string("out", "runs/results", "Folder of the tables and figures.")
RUNS = flags.DEFINE_string("runs", "runs/reproduce", "Folder of the runs that tables are made of.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data, as config.task.data_dir.")
SOURCE = flags.DEFINE_enum("source", None, ["files", "tfds"], "As config.task.source.")
ROWS = flags.DEFINE_list("rows", [], "Rows to run; by default all but those that are only cited.")
RUN = flags.DEFINE_bool("run", True, "Run what is missing; --norun only reads what is there.")
WORKERS = flags.DEFINE_integer("workers", 1, "Runs at a time; they share cores and GPUs.")
STEPS = flags.DEFINE_integer("steps", 50, "Steps of the trajectories of figure1; 50 in the paper.")
WORKDIR = flags.DEFINE_string("workdir", "", "The folder of a run, for its spectra.")
QUICK = flags.DEFINE_bool(
    "quick", False, "Scale everything down, to see that it works; written to separate files."
)


def main(what: str) -> None:
    """Reads the flags and writes what was asked for."""
    check_flags(what)
    loading("jax")
    from asrnn.training.devices import leave_accelerators_alone

    leave_accelerators_alone()
    out = Path(OUT.value)
    try:
        out.mkdir(parents=True, exist_ok=True)
        said = table(what, out) if what in TABLES else figure(what, out)
    except OSError as error:
        raise CheckpointError(f"cannot write to {out}: {error}; give another --out") from None
    print("\n".join(said))


def check_flags(what: str) -> None:
    """Refuses flags that would be ignored, and numbers that cannot be used."""
    tables, trained = what in TABLES, what == "spectra" and bool(WORKDIR.value)
    goes_only("with a table", tables, RUNS, ROWS, RUN, WORKERS)
    goes_only("with a table or spectra --workdir", tables or trained, DATA_DIR, SOURCE)
    goes_only("with spectra", what == "spectra", WORKDIR)
    goes_only("with figure1", what == "figure1", STEPS)
    goes_only("with a table, spectra or phase", what != "figure1", QUICK)
    goes_only("without --workdir", not trained, QUICK)
    goes_only("without --norun", bool(RUN.value), ROWS, WORKERS)
    for flag in (WORKERS, STEPS):
        if flag.value < 1:
            raise ConfigError(f"--{flag.name} must be at least 1, found {flag.value}")


def table(name: str, out: Path) -> list[str]:
    """Makes a table; the text of it, and a line on each file that was written."""
    from asrnn.paper.table_files import make_table

    return make_table(
        name,
        out,
        runs=Path(RUNS.value),
        data=_data(),
        rows=ROWS.value,
        quick=bool(QUICK.value),
        run=bool(RUN.value),
        workers=WORKERS.value,
    )


def figure(name: str, out: Path) -> list[str]:
    """Draws a figure; a line on each file that was written."""
    from asrnn.paper.figures import write_figure

    written = write_figure(
        name,
        out,
        steps=STEPS.value,
        quick=bool(QUICK.value),
        workdir=WORKDIR.value,
        data=_data(),
    )
    return [f"written: {path}" for path in written]


def _data() -> dict[str, str]:
    """The fields of a config that say where the data are, as far as they are given."""
    given = {"task.data_dir": DATA_DIR.value, "task.source": SOURCE.value}
    return {field: value for field, value in given.items() if value is not None}


if __name__ == "__main__":
    run(main, choices=CHOICES)
