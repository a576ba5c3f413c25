"""Makes one HTML page from runs and sweeps: tables, curves, configs, environment.

python -m asrnn.report [--runs=DIR] [--results=DIR] [--out=FILE.html]
"""

from pathlib import Path

from absl import flags

from asrnn.command import required, run

DEFAULT = "runs"  # where `asrnn train` puts them
RUNS = flags.DEFINE_string(
    "runs", None, f"The folder of a run, or of many; by default {DEFAULT}, if it is there."
)
RESULTS = flags.DEFINE_string(
    "results", None, "A folder with table*.json and figures *.png to be shown too."
)
OUT = flags.DEFINE_string("out", None, "The page; by default report.html in the folder of --runs.")


def main() -> None:
    """Reads the flags, writes the page, prints where it is."""
    from asrnn.reports.page import make_page, write_page

    bare = RUNS.value is None and Path(DEFAULT).is_dir()
    root = Path(DEFAULT if bare else required(RUNS, DEFAULT))
    results = Path(RESULTS.value) if RESULTS.value else None
    out = Path(OUT.value) if OUT.value else root / "report.html"
    write_page(make_page(root, results), out)
    print(f"written: {out}")


if __name__ == "__main__":
    run(main)
