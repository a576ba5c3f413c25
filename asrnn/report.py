"""Makes one HTML page from runs and sweeps: tables, curves, configs, environment.

python -m asrnn.report --runs=DIR [--results=DIR] [--out=FILE.html]
"""

from pathlib import Path

from absl import flags

from asrnn.command import required, run

RUNS = flags.DEFINE_string("runs", None, "The folder of a run, or one with many runs below it.")
RESULTS = flags.DEFINE_string(
    "results", None, "A folder with table*.json and figures *.png to be shown too."
)
OUT = flags.DEFINE_string("out", None, "The page; by default report.html in the folder of --runs.")


def main() -> None:
    """Reads the flags, writes the page, prints where it is."""
    from asrnn.reports.page import make_page, write_page

    root = Path(required(RUNS, "runs"))
    results = Path(RESULTS.value) if RESULTS.value else None
    out = Path(OUT.value) if OUT.value else root / "report.html"
    write_page(make_page(root, results), out)
    print(f"written: {out}")


if __name__ == "__main__":
    run(main)
