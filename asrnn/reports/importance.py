"""How much each field of a sweep decides the score: a functional analysis of variance.

A random forest is fitted to the scores; a field's importance is the share of the forest's variance
that the field causes by itself (F. Hutter, H. Hoos and K. Leyton-Brown, An Efficient Approach for
Assessing Hyperparameter Importance, ICML 2014), as Optuna computes it.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from asrnn.reports.parameter_scale import make_scale
from asrnn.reports.sweep import Setting, TrialTable, Value

ENOUGH = 6
"""Settings without which a share of the variance says nothing."""


def importance(sweep: TrialTable) -> dict[str, float]:
    """The shares by field, the largest first; what is missing to 1 is of fields together, or noise.

    A setting counts with the mean of its seeds. Empty if fewer than `ENOUGH` settings have a score,
    if these do not differ or were not all trained for as long (rungs, pruning), or without Optuna.
    """
    if len({entry.rung for entry in sweep.entries}) > 1 or "pruned" in {
        entry.status for entry in sweep.entries
    }:
        return {}
    found = [(setting, _score(setting)) for setting in sweep.ranking]
    known = [(setting.entries[0].values, score) for setting, score in found if score is not None]
    columns = {
        name: [values[name] for values, _ in known] for name in sweep.fields if name != "seed"
    }
    varying = {name: values for name, values in columns.items() if len(set(values)) > 1}
    if len(known) < ENOUGH or not varying or len({score for _, score in known}) == 1:
        return {}
    try:
        import optuna
        from optuna.distributions import FloatDistribution
    except ImportError:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    axes = {name: _axis(values, sweep.scales.get(name)) for name, values in varying.items()}
    for values, score in known:
        params = {
            name: values[name] if isinstance(axis, FloatDistribution) else str(values[name])
            for name, axis in axes.items()
        }
        trial = optuna.trial.create_trial(params=params, distributions=axes, value=score)
        study.add_trial(trial)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = evaluator.evaluate(study)
    return {name: float(share) for name, share in shares.items()}


def importance_line(sweep: TrialTable) -> str | None:
    """The shares for a person, for example "share of the variance ...: learning_rate 71%"."""
    shares = importance(sweep)
    if not shares:
        return None
    parts = (
        f"{name.removesuffix('.name').rpartition('.')[2]} {v:.0%}" for name, v in shares.items()
    )
    return f"share of the variance that each field decides by itself: {', '.join(parts)}"


def _score(setting: Setting) -> float | None:
    """The mean of those seeds that have one; None if one of them diverged."""
    scores = [entry.score for entry in setting.entries if entry.status != "diverged"]
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(setting.entries) else None


def _axis(values: Sequence[Value], kind: str | None) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted({str(value) for value in values}))
    return FloatDistribution(min(numbers), max(numbers), log=make_scale(values, kind).log)
