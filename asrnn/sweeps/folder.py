"""The folder of a sweep: config.json, trials.jsonl and sweep.csv.

config.json     what all trials share
trials.jsonl    one trial a line: {"id": ..., "overrides": {...}}
halving.json    rungs and reduction
scales.json     fields with ranges, "log" or "linear", for pictures
sweep.csv       what became of them
<id>/           the workdir of a trial, as any run's
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from asrnn.config import to_json
from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import digest, parse_json, read_sealed, sealed, unsealed, write_atomically
from asrnn.runs.workdir import TRIALS, anything_trained, check_same_run, write_config
from asrnn.sweeps.shard import WHOLE, Shard, held
from asrnn.sweeps.trials import Outcome, Trial

HALVING = "halving.json"
SCALES = "scales.json"
TABLE = "sweep.csv"
CHECK = "check"


def default_folder(config: ConfigDict, space: Path, trials: Sequence[Trial]) -> Path:
    """runs/sweep-<task>-<space>-<hash of config and trials>: the same command finds its sweep."""
    ids = ",".join(trial.id for trial in trials)
    digest = hashlib.sha256((to_json(config) + ids).encode()).hexdigest()
    return Path("runs") / f"sweep-{config.task.name}-{space.stem}-{digest[:8]}"


@contextmanager
def open_folder(
    folder: Path,
    config: ConfigDict,
    trials: Sequence[Trial],
    shard: Shard = WHOLE,
    rungs: Sequence[int] = (),
    reduction: float = 1.0,
    scales: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Creates or reopens a sweep's folder and holds it.

    Args:
      folder: where.
      config: what all trials share.
      trials: all of them; those of an earlier call must be among them.
      shard: which of the processes that share the sweep this is.
      rungs: of successive halving; as on an earlier call, for they decide who goes on.
      reduction: likewise.
      scales: what `asrnn.sweeps.space.scales` found in the space.

    Raises:
      WorkdirInUse: as `asrnn.sweeps.shard.held`.
      ConfigError: if the folder holds another sweep, or a run.
      CheckpointError: if it cannot be written, or a file in it is damaged.
    """
    with held(folder, shard):
        settle(folder, config, trials, rungs, reduction, scales)
        yield


def settle(
    folder: Path,
    config: ConfigDict,
    trials: Sequence[Trial],
    rungs: Sequence[int] = (),
    reduction: float = 1.0,
    scales: Mapping[str, str] | None = None,
) -> None:
    """Writes what a sweep is into its folder, unless that is of another; see `open_folder`."""
    halving: dict[str, Any] = {"rungs": list(rungs), "reduction": reduction if rungs else None}
    if anything_trained(folder):
        raise ConfigError(f"{folder} is the workdir of a run; give another --workdir")
    if (folder / TRIALS).exists():
        check_same_run(folder, config)
        _check_same_halving(folder, halving)
        missing = {t.id for t in read_trials(folder)} - {t.id for t in trials}
        if missing:
            raise ConfigError(
                f"the sweep in {folder} has {len(missing)} trials that the space does not"
                f" have, {min(missing)} first; give another --workdir"
            )
    write_config(folder, config)
    write_atomically(folder / HALVING, json.dumps(sealed(halving)) + "\n")
    write_atomically(folder / SCALES, json.dumps(sealed(scales or {})) + "\n")
    write_atomically(folder / TRIALS, "".join(map(_line, trials)))


def _check_same_halving(folder: Path, halving: dict[str, Any]) -> None:
    try:
        before = read_sealed(folder / HALVING)
        begun = f"rungs {before['rungs']} and reduction {before['reduction']}"
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder / HALVING} is not readable ({error}); repair it or give another --workdir"
        ) from None
    if before != halving:
        raise ConfigError(
            f"the sweep in {folder} was begun with {begun}; give the same, or another --workdir"
        )


def read_trials(folder: Path) -> list[Trial]:
    """The trials of a sweep, in their order.

    Raises:
      CheckpointError: if there is no readable list of them.
    """
    try:
        lines = [parse_json(line) for line in (folder / TRIALS).read_text().splitlines()]
        return [Trial(line["id"], line["overrides"]) for line in map(unsealed, lines)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder / TRIALS} is not a readable list of trials ({type(error).__name__}: {error});"
            " repair it or give another --workdir"
        ) from None


def write_table(
    folder: Path, trials: Sequence[Trial], rungs: Mapping[str, int], outcomes: Mapping[str, Outcome]
) -> None:
    """Writes sweep.csv: a line a trial, in their order; scores on the validation part only.

    Args:
      folder: of the sweep.
      trials: all of them.
      rungs: by id, the steps of the highest rung that a trial was promoted to.
      outcomes: by id.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.overrides))
    text = io.StringIO()
    monitored = next(iter(outcomes.values())).objective.monitored
    writer = csv.writer(text, lineterminator="\n")
    header = ["id", "status", "steps", "rung", f"validation_{monitored}", *names]
    writer.writerow([*header, CHECK])
    for trial in trials:
        found = outcomes[trial.id]
        score = found.score  # to the last digit: it ranks
        values = [trial.overrides.get(name, "") for name in names]
        cells = [trial.id, found.status, found.step, rungs[trial.id], score, *values]
        writer.writerow([*cells, check_of(header, cells)])
    write_atomically(folder / TABLE, text.getvalue())


def check_of(header: Sequence[str], cells: Sequence[Any]) -> str:
    """The last cell of a line of sweep.csv: by it, damage to its others, and their names, shows."""
    texts = ("" if cell is None else str(cell) for cell in cells)
    return digest(dict(zip(header, texts, strict=True)))[:8]


def _line(trial: Trial) -> str:
    return json.dumps(sealed({"id": trial.id, "overrides": trial.overrides})) + "\n"
