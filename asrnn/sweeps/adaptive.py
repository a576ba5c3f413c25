"""Adaptive search: Optuna proposes settings in batches, and the scores of one shape the next.

A proposal depends on the space, the seed, and the scores of the batches before its own: not
on the engine, the number of workers, or what was killed in between. The proposals are in
search.jsonl of the sweep's folder, what decides them in search.json, the scores in the workdirs;
Optuna itself keeps nothing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, Protocol

import numpy as np

from asrnn.config import flatten
from asrnn.console import to_stderr
from asrnn.errors import ConfigError, Interrupted
from asrnn.files import damaged, parse_json, read_sealed, sealed, write_atomically
from asrnn.objectives import CROSS_ENTROPY, Metric, objective_of
from asrnn.runs.workdir import locked
from asrnn.signals import StopRequest
from asrnn.sweeps.folder import settle
from asrnn.sweeps.pruning import Pruning
from asrnn.sweeps.shard import WHOLE, Shard
from asrnn.sweeps.space import (
    Chain,
    Overrides,
    Product,
    QuasiRandom,
    Range,
    Space,
    Values,
    Zip,
    expand,
    join,
)
from asrnn.sweeps.sweep import Result, Sweep, check_sweep, run_sweep
from asrnn.sweeps.trials import Engine, Trial, distinct, first_alike, make_job, make_trials

PROPOSALS = "search.jsonl"
SEARCH = "search.json"
LOCK = ".lock-search"  # held from batch to batch; each of them is a sweep with its own lock
RANDOM = 10  # settings scored before the first that is not random
DIRECTION = {"higher": "maximize", "lower": "minimize"}
WORST = {"higher": 0.0, "lower": math.inf}  # the score of a setting that diverged

Choices = dict[str, Any]
"""What decides a setting: by place in the space, the index of a value or a fraction of a range."""


class Scored(NamedTuple):
    """A setting that was tried."""

    choices: Choices
    score: float
    """The mean over its seeds, of each the best validation."""
    dropped: int | None = None
    """The step after which it was, at a rung or by pruning; None if it ran to its end."""


class Search(NamedTuple):
    """What is proposed, and how many settings of it."""

    space: Space
    settings: int
    """Each is run with every seed of the space, and scored by the mean."""
    batch: int
    """How many are proposed before any of them is scored."""
    seed: int
    metric: Metric = CROSS_ENTROPY.metric
    """The metric by which settings are compared."""
    prune: bool = False
    """Whether a trial ends where it is worse than most of the batches before were."""


class Chooser(Protocol):
    """What makes the choices: a trial of Optuna's."""

    def suggest_float(self, name: str, low: float, high: float) -> float:
        """Between low and high."""

    def suggest_categorical(self, name: str, choices: Sequence[int]) -> int:
        """One of the choices."""


def run_search(sweep: Sweep, search: Search, engine: Engine) -> Result:
    """Runs or continues a search, whose trials become those of the sweep.

    Raises:
      ConfigError: if Optuna is missing, the sweep has shards, or rungs and is to be pruned, a
        trial's config cannot be used, or the folder is of another sweep.
      WorkdirInUse: if another process runs this sweep.
      Interrupted: after a signal.
      AsrnnError: as the engine.
    """
    check_search(search, sweep.rungs, sweep.shard)
    search = search._replace(metric=objective_of(flatten(sweep.config.to_dict())).metric)
    with StopRequest() as stop, locked(sweep.folder, LOCK):
        _settle(sweep.folder, search)
        proposals = _read(sweep.folder, search)
        known = distinct(sweep.config, trials_of(search, proposals))
        settle(sweep.folder, sweep.config, known, sweep.rungs, sweep.reduction, scales=sweep.scales)
        scored: list[Scored] = []
        pruning = Pruning()
        while True:
            if proposals:
                alike = first_alike(sweep.config, trials_of(search, proposals))
                trials = distinct(sweep.config, list(alike.values()))
                limits = None
                if search.prune:
                    batches = [
                        [alike[trial.id] for trial in trials_of(search, batch)]
                        for batch in _batches(search, proposals)
                    ]
                    limits = pruning.limits(
                        batches, lambda t, at: make_job(sweep.config, t, sweep.folder, limits=at)
                    )
                result = run_sweep(sweep._replace(trials=trials, limits=limits), engine)
                scored = [_scored(search, choices, sweep, result, alike) for choices in proposals]
            if len(proposals) >= search.settings:
                _tell_of_repetitions(search, proposals, alike)
                return result
            if stop.received is not None:
                raise Interrupted(
                    f"stopped by {stop.received.name}, all trials saved;"
                    " run the same command again to go on"
                )
            proposals = proposals + next_batch(search, scored)
            check_sweep(sweep._replace(trials=trials_of(search, proposals)))
            _write(sweep.folder, proposals)


def check_search(search: Search, rungs: Sequence[int], shard: Shard) -> None:
    """Checks the numbers of a search, and what it is combined with; needs no Optuna.

    Raises:
      ConfigError: for a number below 1, shards, or both rungs and pruning.
    """
    if search.settings < 1:
        raise ConfigError(
            f"--search needs --trials=N, the number of settings to try; found {search.settings}"
        )
    if search.batch < 1:
        raise ConfigError(f"--batch must be at least 1, found {search.batch}")
    if shard != WHOLE:
        raise ConfigError("--search cannot be combined with --shard; leave one out")
    if rungs and search.prune:
        raise ConfigError("--prune cannot be combined with --rungs; leave one out")


def first_trials(search: Search) -> list[Trial]:
    """The trials of the first batch, which no score has shaped; however few settings there are.

    Raises:
      ConfigError: if Optuna is missing.
    """
    return trials_of(search, next_batch(search._replace(settings=search.batch), []))


def next_batch(search: Search, scored: Sequence[Scored]) -> list[Choices]:
    """What to try after the settings that are scored, up to the end of a batch.

    A search that ended within a batch and is to go on takes up that batch as it would have
    been: without the scores of its first settings.
    """
    began = len(scored) // search.batch * search.batch
    pending = [one.choices for one in scored[began:]]
    for index in range(len(scored), min(began + search.batch, search.settings)):
        pending.append(propose(search, scored[:began], pending, index))
    return pending[len(scored) - began :]


def propose(
    search: Search, scored: Sequence[Scored], pending: Sequence[Choices], index: int
) -> Choices:
    """One proposal of the tree-structured Parzen estimator (TPE).

    Args:
      search: what is searched.
      scored: settings with their scores; those that were dropped count as worse than all others,
        by how far they came and then by their scores.
      pending: settings without a score yet, to keep away from.
      index: of the proposal: with the search's seed it seeds the sampler.
    """
    optuna = _optuna()
    seed = np.random.SeedSequence([search.seed, index]).generate_state(1)[0]
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=RANDOM, multivariate=True, constant_liar=True, seed=int(seed)
    )
    study = optuna.create_study(direction=DIRECTION[search.metric.better], sampler=sampler)
    running = optuna.trial.TrialState.RUNNING
    for choices, told in (
        *((one.choices, _told(one)) for one in scored),
        *((choices, {"state": running}) for choices in pending),
    ):
        fixed = optuna.trial.FixedTrial(choices)
        settings(search.space, fixed, search.seed)
        study.add_trial(
            optuna.trial.create_trial(params=choices, distributions=fixed.distributions, **told)
        )
    trial = study.ask()
    settings(search.space, trial, search.seed)
    return dict(trial.params)


def _told(scored: Scored) -> dict[str, Any]:
    if scored.dropped is None:
        return {"value": scored.score}
    return {
        "state": _optuna().trial.TrialState.PRUNED,
        "intermediate_values": {scored.dropped: scored.score},
    }


def settings(space: Space, chooser: Chooser, seed: int, place: str = "") -> list[Overrides]:
    """The points that the choices come to: one setting with each of its seeds.

    A sweep is a choice of a value, a range of a number, a chain of a part, and a zip of a
    common index; a quasi-random box is that of its ranges. Seeds are not chosen: all are run.

    Args:
      space: what `get_space` returned.
      chooser: makes the choices.
      seed: of the points of a `quasi_random` within a `zip`.
      place: of the space within the whole, the prefix of its choices' names.
    """
    match space:
        case Values("seed", values):
            return [{"seed": value} for value in values]
        case Values(name, values):
            return [{name: values[_index(chooser, place + name, len(values))]}]
        case Range(name):
            return [{name: space.at(chooser.suggest_float(place + name, 0.0, 1.0))}]
        case QuasiRandom(_, ranges):
            return settings(Product(ranges), chooser, seed, place)
        case Product(parts):
            found: list[Overrides] = [{}]
            for number, part in enumerate(parts):
                more = settings(part, chooser, seed, f"{place}{number}/")
                found = [join(a, b) for a in found for b in more]
            return found
        case Chain(parts):
            number = _index(chooser, f"{place}part", len(parts))
            return settings(parts[number], chooser, seed, f"{place}{number}/")
        case Zip():
            rows = expand(space, seed)
            return [rows[_index(chooser, f"{place}row", len(rows))]]


def trials_of(search: Search, proposals: Sequence[Choices]) -> list[Trial]:
    """The trials that proposals come to, in their order; equal ones are one."""
    return make_trials([point for choices in proposals for point in _points(search, choices)])


def _points(search: Search, choices: Choices) -> list[Overrides]:
    return settings(search.space, _optuna().trial.FixedTrial(choices), search.seed)


def _scored(
    search: Search, choices: Choices, sweep: Sweep, result: Result, alike: Mapping[str, Trial]
) -> Scored:
    trials = [alike[trial.id] for trial in make_trials(_points(search, choices))]
    found = [result.outcomes[trial.id] for trial in trials]
    scores = [one.score for one in found if one.status != "diverged" and one.score is not None]
    if len(scores) < len(found):  # one diverged: as bad as can be, and worse than what was dropped
        at_once = 0 if sweep.rungs or search.prune else None
        return Scored(choices, WORST[search.metric.better], at_once)
    dropped = [
        one.step
        for trial, one in zip(trials, found, strict=True)
        if one.status == "pruned" or result.goals[trial.id] < sweep.job(trial).config.training.steps
    ]
    return Scored(choices, fmean(scores), min(dropped, default=None))


def _tell_of_repetitions(
    search: Search, proposals: Sequence[Choices], alike: Mapping[str, Trial]
) -> None:
    """A small space has fewer settings than were asked for, and TPE may like one twice."""
    runs = {
        tuple(alike[trial.id].id for trial in make_trials(_points(search, choices)))
        for choices in proposals
    }
    again = len(proposals) - len(runs)
    if again:
        to_stderr(
            f"{again} of the {len(proposals)} settings that the search proposed"
            f" {'are ones' if again > 1 else 'is one'} that it had proposed before, run once:"
            f" {len(runs)} different settings; a larger --trials searches on"
        )


def _batches(search: Search, proposals: Sequence[Choices]) -> list[Sequence[Choices]]:
    firsts = range(0, len(proposals), search.batch)
    return [proposals[first : first + search.batch] for first in firsts]


def _index(chooser: Chooser, name: str, count: int) -> int:
    return 0 if count == 1 else chooser.suggest_categorical(name, range(count))


def _settle(folder: Path, search: Search) -> None:
    """Writes what decides the proposals, unless the folder is of a search that had it otherwise."""
    path, now = folder / SEARCH, {"batch": search.batch, "seed": search.seed, "prune": search.prune}
    try:
        before = read_sealed(path)
    except FileNotFoundError:
        before = now  # a new search, or one of an earlier version
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from None
    if before != now:
        flags = f"--batch={before.get('batch')}, --space_seed={before.get('seed')}"
        pruned = "--prune" if before.get("prune") else "no --prune"
        raise ConfigError(
            f"the search in {folder} was begun with {flags} and {pruned}; give the same, or another"
            " --workdir"
        )
    write_atomically(path, json.dumps(sealed(now)) + "\n")


def _read(folder: Path, search: Search) -> list[Choices]:
    path = folder / PROPOSALS
    if not path.exists():
        return []
    try:
        proposals = [parse_json(line) for line in path.read_text().splitlines()]
        trials_of(search, proposals)
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            f"{path} belongs to a search of another space; give another --workdir"
        ) from None
    return proposals


def _write(folder: Path, proposals: Sequence[Choices]) -> None:
    write_atomically(folder / PROPOSALS, "".join(json.dumps(p) + "\n" for p in proposals))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "--search=optuna needs Optuna; install it with pip install 'optuna>=5,<6'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
