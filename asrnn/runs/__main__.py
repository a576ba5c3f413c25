"""Lists the runs below a folder: scores, status, time; filtered, or compared.

python -m asrnn.runs [DIR] [--filter=cell=lstm] [--filter='validation>0.9']
                     [--sort=FIELD]
python -m asrnn.runs DIR --compare

With --compare only the fields that differ, side by side, best first.
"""

import json
from pathlib import Path

from absl import flags

from asrnn.command import run
from asrnn.console import to_stderr

FILTER = flags.DEFINE_multi_string(
    "filter", [], "FIELD=VALUE, or !=, <, <=, >, >=; a column or a config field."
)
SORT = flags.DEFINE_string("sort", "validation", "The field to sort by; scores best first.")
COMPARE = flags.DEFINE_bool("compare", False, "Show the config fields that differ, side by side.")
TRIALS = flags.DEFINE_bool("trials", False, "List the trials of the sweeps below, too.")
JSON = flags.DEFINE_bool("json", False, "Print JSON.")


def main(folder: str = "runs") -> None:
    """Reads the flags, lists."""
    from asrnn.reports.run_list import (
        as_json,
        asked_for,
        comparison,
        filtered,
        listing,
        ordered,
        print_table,
        read_runs,
    )

    runs, left_out = read_runs(Path(folder), trials=TRIALS.value)
    asked = asked_for(runs, FILTER.value, SORT.value)
    runs = ordered(filtered(runs, FILTER.value), SORT.value)
    if JSON.value:
        print(json.dumps(as_json(runs), indent=2))
    elif not runs:
        print("no run fits the filters")
    elif COMPARE.value:
        print_table(lambda width: comparison(runs, width))
    else:
        print_table(lambda width: listing(runs, width, asked))
    if left_out and not JSON.value:
        to_stderr(f"{left_out} trials of sweeps are not listed; --trials lists them")


if __name__ == "__main__":
    run(main, takes_folder=True)
