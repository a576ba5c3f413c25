"""Successive halving: all settings for a few steps, the best third of them for more, ...

The rungs are run one after the other to their end, so who is promoted depends on the
results alone: not on the engine, the number of workers, or what was killed in between.
(K. Jamieson and A. Talwalkar, Non-stochastic Best Arm Identification, 2016.)
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from asrnn.errors import ConfigError
from asrnn.sweeps.trials import Outcome, Trial

Setting = tuple[tuple[str, object], ...]
"""The overrides of a trial without its seed."""


def read_rungs(given: Sequence[str]) -> list[int]:
    """The steps that `--rungs` lists.

    Raises:
      ConfigError: if one of them is not a whole number.
    """
    try:
        return [int(rung) for rung in given]
    except ValueError:
        raise ConfigError(f"--rungs must be numbers of steps, found {','.join(given)}") from None


def check_rungs(rungs: Sequence[int], steps: int, schedule: str) -> None:
    """Checks that the rungs rise to the full length of the runs.

    Raises:
      ConfigError: if they do not, or if the length of a run shapes its course.
    """
    for lower, upper in zip((0, *rungs), (*rungs, steps), strict=True):
        if lower >= upper:
            raise ConfigError(
                f"the rungs must rise from above 0 to below config.training.steps={steps},"
                f" found {','.join(map(str, rungs))}"
            )
    if rungs and schedule == "cosine":
        raise ConfigError(
            "successive halving extends runs, but with config.optimizer.schedule='cosine' their"
            " length shapes every step; choose another schedule, or leave the rungs out"
        )


def setting(trial: Trial) -> Setting:
    """What trials that differ in nothing but the seed have in common."""
    return tuple(sorted((name, v) for name, v in trial.overrides.items() if name != "seed"))


def ranked(
    trials: Sequence[Trial], outcomes: Mapping[str, Outcome]
) -> list[tuple[float | None, list[Trial]]]:
    """Settings with their mean score on the validation part over seeds, best first.

    A setting with a seed that diverged or is not finished has None and comes last; equally
    good ones keep the order of the trials.

    Args:
      trials: what to rank.
      outcomes: of each trial, by its id.
    """
    groups: dict[Setting, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(setting(trial), []).append(trial)
    scored = [(mean_score([outcomes[t.id] for t in group]), group) for group in groups.values()]
    if not trials:
        return []
    metric = outcomes[trials[0].id].objective.metric
    return sorted(scored, key=lambda entry: metric.cost(entry[0]))


def promoted(
    trials: Sequence[Trial], outcomes: Mapping[str, Outcome], reduction: float
) -> list[Trial]:
    """The trials of the best 1/reduction of the settings, rounded up, in their old order.

    With those of settings that went on before, where a search has since brought better ones.
    """
    ranking = [group for score, group in ranked(trials, outcomes) if score is not None]
    kept = math.ceil(len({setting(trial) for trial in trials}) / reduction)
    chosen = {
        trial.id
        for place, group in enumerate(ranking)
        for trial in group
        if place < kept or any(outcomes[one.id].beyond for one in group)
    }
    return [trial for trial in trials if trial.id in chosen]


def mean_score(outcomes: Sequence[Outcome]) -> float | None:
    """The mean score of a setting's seeds; None unless all of them are done."""
    scores = [found.score for found in outcomes if found.status == "done"]
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(outcomes) else None
