"""What the runs of a table's rows came to, as the rows of its JSON file.

A run is read from its workdir. Where the workdir is not there, as in a clone, the result in
the JSON file stays, unless the definition of its row has changed since.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import jax
from ml_collections import ConfigDict

from asrnn.config import base_config, flatten
from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import parse_json, read_sealed, unsealed
from asrnn.models import num_parameters
from asrnn.paper.table_definition import Row
from asrnn.runs.summary import DIVERGED, is_finished, read_summary
from asrnn.runs.workdir import CONFIG, MAY_DIFFER
from asrnn.sweeps.progress_table import ProgressTable
from asrnn.sweeps.trials import Engine, Job, Trial, outcome
from asrnn.training.experiment import make_experiment

Result = dict[str, Any]
"""A row of the JSON file; `docs/tables.md` lists its fields. Accuracies in %."""

Run = dict[str, Any]
"""What one seed came to, in the `runs` of a row."""

INIT_FROM = "training.init_from"
FREE = {*MAY_DIFFER, "seed", "task.source", "training.log_every"} - {
    *("training.steps", "training.patience")
}
"""Config fields that are no part of what a row measures."""


def make_result(
    table: str,
    row: Row,
    stages: Sequence[Sequence[Job]],
    kept: Mapping[str, Any] | None,
    *,
    quick: bool,
    report: Callable[[str], None],
) -> Result:
    """The row with what its runs came to; null where nothing was measured.

    Args:
      table: its name, "table1" for example.
      row: its definition.
      stages: its runs, one a seed in each stage; none for a row that is only cited.
      kept: the same row of an earlier JSON file.
      quick: whether the runs are scaled down.
      report: is told of kept results that cannot be used any more.
    """
    jobs = stages[-1]
    config = jobs[0].config if jobs else None
    settings = None if config is None else definition([jobs[0].config for jobs in stages])
    found = _kept_runs(row, kept, settings, report) | _present_runs(stages)
    runs = [found[seed] for seed in (job.config.seed for job in jobs) if seed in found]
    done = [run for run in runs if run["status"] == "done"]
    command = f"python -m asrnn.reproduce {table} --rows={row.name}" + " --quick" * quick
    return {
        "table": table,
        "name": row.name,
        "task": row.task,
        "cell": None if config is None else config.model.cell,
        "method": row.method,
        "recipe": row.recipe,
        "paper": row.paper,
        "source": row.source,
        "cited": config is None,
        "quick": quick,
        **_accuracy([run["test_accuracy"] for run in done]),
        "validation_accuracy": _mean([run["validation_accuracy"] for run in done]),
        "seeds": [run["seed"] for run in done],
        "diverged": [run["seed"] for run in runs if run["status"] == "diverged"],
        "units": row.units if config is None else config.model.hidden_size,
        "num_parameters": None if config is None else count_parameters(config),
        "printed_parameters": row.printed_parameters,
        "steps": None if config is None else sum(jobs[0].config.training.steps for jobs in stages),
        "seconds": _mean([run["seconds"] for run in done]),
        "hardware": "; ".join(dict.fromkeys(run["hardware"] for run in done)) or None,
        "command": None if config is None else command,
        "settings": settings,
        "runs": runs,
    }


def run_missing(jobs: Sequence[Job], engine: Engine) -> None:
    """Brings the runs of some rows to their end; finished ones stay as they are.

    Raises:
      AsrnnError: as the engine, `asrnn.sweeps.engines.run_locally` for example.
    """
    with ProgressTable([Trial(job.workdir.name, {}) for job in jobs]) as progress:
        steps = max(job.config.training.steps for job in jobs)
        progress.rung(steps, {job.workdir.name: outcome(job) for job in jobs})
        engine(jobs, progress)


def read_results(path: Path) -> dict[str, Result]:
    """The rows of an earlier JSON file by name; none if there is no such file.

    Raises:
      CheckpointError: if it is not a list of such rows.
    """
    try:
        rows = [unsealed(row) for row in parse_json(path.read_text())]
        kept = {row["name"]: row for row in rows}
        for row in rows:
            {run["seed"]: (run["status"], run["seconds"], run["hardware"]) for run in row["runs"]}
            dict(row["settings"] or {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not a table of this command ({type(error).__name__}: {error});"
            " move it away, or give another --out"
        ) from None
    return kept


def check_workdirs(jobs: Sequence[Job]) -> None:
    """Checks that no workdir holds the run of another definition.

    Raises:
      ConfigError: for the first one that does.
    """
    for job in jobs:
        if changes := foreign(job):
            raise ConfigError(
                f"{job.workdir} holds a run of another definition ({changes});"
                " move it away, or give another --runs"
            )


def foreign(job: Job) -> str:
    """How the run in a workdir differs from the job's; "" if it is, or can become, that run."""
    summary = read_summary(job.workdir)
    try:
        before = flatten(read_sealed(job.workdir / CONFIG))
    except (OSError, ValueError):
        return "" if summary is None else f"it has no readable {CONFIG}"
    now = flatten(job.config.to_dict())
    for fields in (before, now):  # the folder of all runs may be another
        fields[INIT_FROM] = Path(fields.get(INIT_FROM, "")).name
    free = (FREE - {"seed"}) | {"training.steps"}
    changes = _differences(before, now, free)
    if summary is not None and summary["steps"] > job.config.training.steps:
        changes.append(f"training.steps: {summary['steps']} -> {job.config.training.steps}")
    return ", ".join(changes)


def definition(stages: Sequence[ConfigDict]) -> dict[str, Any]:
    """The fields that decide what a row measures, by dotted name: those of its own runs.

    Of the stages before them `stages` has the fields that differ; the folder
    that a run starts from is left out.
    """
    *before, own = [_fields(config) for config in stages]
    if before:
        for fields in (*before, own):
            fields.pop(INIT_FROM)
    differing = [
        {name: value for name, value in stage.items() if value != own[name]} for stage in before
    ]
    return own | ({"stages": differing} if differing else {})


def _fields(config: ConfigDict) -> dict[str, Any]:
    fields = flatten(config.to_dict())
    return {name: value for name, value in sorted(fields.items()) if name not in FREE}


def count_parameters(config: ConfigDict) -> int:
    """The number of parameters of the model that a config describes, without its data."""
    config = ConfigDict(config.to_dict())
    config.recurrence.backend = "scan"  # the others may have to be built first
    return num_parameters(jax.eval_shape(lambda: make_experiment(config).initial_params))


def _present_runs(stages: Sequence[Sequence[Job]]) -> dict[int, Run]:
    """The finished runs of the workdirs, by seed; one that diverged ends a seed at any stage.

    Seconds and hardware are those of all stages; the seconds are None where a stage is gone.
    """
    runs = {}
    for jobs in zip(*stages, strict=True):
        if any(foreign(job) for job in jobs):
            continue
        summaries = [read_summary(job.workdir) for job in jobs]
        known = [summary for summary in summaries if summary is not None]
        diverged = [summary for summary in known if summary["status"] == DIVERGED]
        summary, job = summaries[-1], jobs[-1]
        training = job.config.training
        if diverged:
            summary = diverged[0]
        elif summary is None or not is_finished(summary, training.steps, training.patience):
            continue
        hardware = dict.fromkeys(f"{each['device']}, {each['backend']}" for each in known)
        runs[job.config.seed] = {
            "seed": job.config.seed,
            "status": summary["status"],
            "steps": summary["steps"],
            "test_accuracy": _percent(summary["test_accuracy"]),
            "validation_accuracy": _percent(summary["validation_accuracy"]),
            "best_step": summary["best_step"],
            "seconds": None if None in summaries else round(sum(it["seconds"] for it in known), 3),
            "hardware": "; ".join(hardware),
        }
    return runs


def _kept_runs(
    row: Row,
    kept: Mapping[str, Any] | None,
    settings: Mapping[str, Any] | None,
    report: Callable[[str], None],
) -> dict[int, Run]:
    """The runs of an earlier JSON file, by seed, if they are of the same definition."""
    if kept is None or not kept["runs"] or settings is None:
        return {}
    if changes := _differences(kept["settings"] or {}, settings, FREE):
        report(
            f"row {row.name}: its definition has changed since its results were written"
            f" ({', '.join(changes)}); they are left out"
        )
        return {}
    return {run["seed"]: dict(run) for run in kept["runs"]}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], free: set[str]) -> list[str]:
    """Fields that differ; one that did not exist before had what is its default now."""
    known = flatten(base_config().to_dict()) | dict(before)
    return [
        f"{name}: {known.get(name)} -> {now.get(name)}"
        for name in sorted({*before, *now} - free)
        if known.get(name) != now.get(name)
    ]


def _accuracy(values: Sequence[float]) -> Result:
    """Mean and sample standard deviation over the seeds; one seed has no deviation."""
    return {
        "mean": _mean(values),
        "std": round(stdev(values), 3) if len(values) > 1 else None,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 3) if known else None


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 3)
