"""Kills a sweep at random moments, again and again, and checks that nothing is lost or run twice.

  python experiments/kills.py --trials=200 --kills=20 --out=FILE.json [--tolerance=0.05]
      [--reference_engine=population] [-- --workers=2]

Runs `python -m asrnn.sweep` over tiny trials of the digits, sends kill -9 in turn to the
coordinator and to one of its workers, starts it again each time, and at last lets it end. Ends
with code 1 unless

* every trial is finished, and its accuracies are within the tolerance, by default equal, of those
  of `--reference=DIR`, the folder of an undisturbed sweep (made if it is not there);
* no trial that was finished when a kill came was touched afterwards;
* no trial has a row of its metrics twice.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from asrnn.runs.metrics import read_rows

SPACE = """def get_space(h):
    rates = h.log_uniform("optimizer.learning_rate", 1e-3, 3e-2)
    return h.quasi_random({trials}, rates, h.uniform("model.diffusion", 0.0, 1.0))
"""
FIELDS = {
    "model.hidden_size": 16,
    "optimizer.schedule": "constant",
    "training.steps": 20,
    "training.log_every": 5,
    "training.eval_every": 10,
    "training.checkpoint_every": 5,
}


def main() -> None:
    """Parses the flags, disturbs a sweep, prints and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--pause", type=float, default=20.0, help="longest time between kills (s)")
    parser.add_argument("--folder", type=Path, default=Path("runs/kills"))
    parser.add_argument("--reference", type=Path, default=Path("runs/kills-reference"))
    parser.add_argument("--reference_engine", help="by default that of the disturbed sweep")
    parser.add_argument("--tolerance", type=float, default=0.0, help="of an accuracy")
    parser.add_argument("--out", type=Path)
    parser.add_argument("flags", nargs="*", default=["--workers=2"], help="of asrnn.sweep")
    given = parser.parse_args()
    started = time.monotonic()
    command = sweep_command(given.trials, given.folder.parent, given.flags)
    engine = given.reference_engine
    reference = [f"--engine={engine}"] if engine else given.flags
    finish(
        [
            *sweep_command(given.trials, given.folder.parent, reference),
            f"--workdir={given.reference}",
        ]
    )
    undisturbed = time.monotonic() - started
    killed, touched = disturb([*command, f"--workdir={given.folder}"], given)
    difference, doubled = compare(given.folder, given.reference)
    found = {
        "trials": given.trials,
        "flags": given.flags,
        "seed": given.seed,
        "kills": killed,
        "reference_engine": given.reference_engine or "the same",
        "tolerance": given.tolerance,
        "largest_difference_of_an_accuracy": difference,
        "finished_trials_touched_again": touched,
        "trials_with_doubled_rows": doubled,
        "seconds_undisturbed": round(undisturbed, 1),
        "seconds_in_all": round(time.monotonic() - started, 1),
    }
    print(json.dumps(found, indent=2))
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(bool(touched or doubled or difference > given.tolerance))


def sweep_command(trials: int, folder: Path, flags: list[str]) -> list[str]:
    """The sweep's command line without its workdir."""
    folder.mkdir(parents=True, exist_ok=True)
    space = folder / "space.py"
    space.write_text(SPACE.format(trials=trials))
    configs = Path(__file__).parents[1] / "configs" / "digits.py"
    fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    base = [sys.executable, "-m", "asrnn.sweep", f"--config={configs}", f"--space={space}"]
    return [*base, *fields, *flags]


def finish(command: list[str]) -> None:
    """Runs a sweep to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def disturb(command: list[str], given: Any) -> tuple[dict[str, int], int]:
    """Kills and restarts; returns the kills by victim, and how many finished trials changed."""
    draw = random.Random(given.seed)
    killed = {"coordinator": 0, "worker": 0}
    touched: set[str] = set()
    for turn in range(given.kills):
        finished = summaries(given.folder)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(1.0, given.pause))
        workers = children(process.pid)
        if turn % 2 and workers:
            os.kill(draw.choice(workers), signal.SIGKILL)
            killed["worker"] += 1
            time.sleep(draw.uniform(0.0, 5.0))
        if process.poll() is None:
            killed["coordinator"] += 1
        process.kill()
        process.wait()
        touched |= changed(finished, summaries(given.folder))
    finished = summaries(given.folder)
    finish(command)
    return killed, len(touched | changed(finished, summaries(given.folder)))


def summaries(folder: Path) -> dict[str, int]:
    """When each finished trial wrote its summary."""
    paths = folder.glob("*/summary.json")
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in paths
        if json.loads(path.read_text())["status"] == "done"
    }


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The trials that were finished before and wrote their summary again."""
    return {name for name, when in before.items() if after.get(name) != when}


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def compare(folder: Path, reference: Path) -> tuple[float, int]:
    """The largest difference of a trial's accuracies, and the trials with a row twice."""
    difference, doubled = 0.0, 0
    for workdir in sorted(path.parent for path in reference.glob("*/metrics.jsonl")):
        mine = read_rows(folder / workdir.name / "metrics.jsonl")
        theirs = read_rows(workdir / "metrics.jsonl")
        keys = [(row["split"], row["step"]) for row in mine]
        doubled += len(keys) != len(set(keys))
        pairs = [accuracies(mine), accuracies(theirs)]
        if pairs[0].keys() != pairs[1].keys():
            raise SystemExit(f"trial {workdir.name} has other rows than the undisturbed one")
        difference = max([difference, *(abs(pairs[0][k] - pairs[1][k]) for k in pairs[0])])
    return difference, doubled


def accuracies(rows: list[dict[str, Any]]) -> dict[tuple[str, int], float]:
    """Validation and test accuracies by split and step."""
    return {(r["split"], r["step"]): r["accuracy"] for r in rows if r["split"] != "train"}


if __name__ == "__main__":
    main()
