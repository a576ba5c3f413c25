"""Hours of work in one process: python experiments/soak.py --minutes=60 --trials=500.

Trains for some minutes, and sweeps over short trials, as populations in one process, and samples
resident memory and open files. Reports their slopes, and that of the time of an update, by least
squares over all but the first fifth: compilation and warming up. Ends with code 1 if a slope is
more than a tenth of the mean in an hour, or a file in a minute.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torture import CONFIGS, SPACE

TRAINING = {
    "model.hidden_size": 16,
    "training.steps": 2_000_000_000,
    "training.log_every": 500,
    "training.eval_every": 2_000,
    "training.checkpoint_every": 2_000,
    "training.diagnostics_every": 2_000,
    "optimizer.schedule": "constant",
    "optimizer.learning_rate": 1e-4,
}
TRIAL = {"model.hidden_size": 8, "training.steps": 20, "training.eval_every": 10}
WARM = 0.2  # of all samples: not counted


def main() -> None:
    """Parses the flags, watches both, prints and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        found = {"training": training(folder, given.minutes), "sweep": sweep(folder, given.trials)}
    text = json.dumps(found, indent=2)
    print(text)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    slopes = [it for part in found.values() for key, it in part.items() if "per_hour" in key]
    files = [part["files_per_minute"] for part in found.values()]
    sys.exit(any(it > 0.1 for it in slopes) or any(it > 1 for it in files))


def training(folder: Path, minutes: float) -> dict[str, Any]:
    """One training until the time is over."""
    workdir = folder / "run"
    samples, _ = watched("train", TRAINING, [f"--workdir={workdir}"], 60 * minutes)
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    rates = [row["examples_per_second"] for row in rows if row["split"] == "train"]
    ends = np.linspace(0, samples[-1][0], len(rates))
    times = slope([(t, 1 / rate) for t, rate in zip(ends, rates, strict=True)])
    return slopes(samples) | {"steps": rows[-1]["step"], "step_time_share_per_hour": times}


def sweep(folder: Path, trials: int) -> dict[str, Any]:
    """Trials in populations of ten, one population after the other, in one process."""
    space = folder / "space.py"
    space.write_text(SPACE.replace("quasi_random(3", f"quasi_random({trials}"))
    flags = [f"--space={space}", "--engine=population", "--population_size=10"]
    samples, code = watched("sweep", TRIAL, [*flags, f"--workdir={folder / 'sweep'}"], None)
    assert code == 0, code
    return slopes(samples) | {"trials": trials}


Samples = list[tuple[float, float, float]]
"""Seconds, MiB, open files."""


def watched(
    module: str, fields: dict[str, Any], flags: list[str], seconds: float | None
) -> tuple[Samples, int | None]:
    """Samples a command once a second, until it ends or for so long."""
    command = [sys.executable, "-m", f"asrnn.{module}", f"--config={CONFIGS / 'digits.py'}"]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    started, samples = time.monotonic(), []
    with subprocess.Popen(
        [*command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        own = Path(f"/proc/{process.pid}")
        while process.poll() is None and (seconds is None or time.monotonic() < started + seconds):
            try:
                status = (own / "statm").read_text().split()
                mib = int(status[1]) * 4096 / 2**20
                samples.append((time.monotonic() - started, mib, len(list((own / "fd").iterdir()))))
            except (FileNotFoundError, IndexError):
                break
            time.sleep(1)
        if seconds is not None:
            process.terminate()
    return samples, process.returncode


def slopes(samples: Samples) -> dict[str, Any]:
    """What the samples say, memory as a share of its mean."""
    last = samples[-1]
    return {
        "seconds": round(last[0], 1),
        "memory_mib_in_the_end": round(last[1], 1),
        "memory_share_per_hour": slope([(t, mib) for t, mib, _ in samples]),
        "files_in_the_end": last[2],
        "files_per_minute": round(slope([(t, n) for t, _, n in samples]) / 60 * last[2], 3),
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much of its mean a quantity grows in an hour, without the first fifth."""
    times, values = np.array(points[int(WARM * len(points)) :]).T
    return round(float(np.polyfit(times, values, 1)[0]) * 3600 / float(values.mean()), 4)


if __name__ == "__main__":
    main()
