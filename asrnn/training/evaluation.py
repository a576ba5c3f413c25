"""The metrics over a part of the data, every example counted once."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from asrnn.console import to_stderr
from asrnn.errors import ConfigError
from asrnn.objectives import Objective
from asrnn.tasks import Generated, evaluation_batches
from asrnn.training.examples import Examples, KeyPurpose, place_examples
from asrnn.training.saved import Trained, read_trained
from asrnn.training.step import Hyperparameters, Sums, make_eval_step
from asrnn.typing import Key

BATCH_SIZE = 500

Totals = dict[str, Any]
"""`Sums` on the host."""


def evaluate(
    eval_step: Callable[..., Sums],
    params: Any,
    hyper: Hyperparameters,
    examples: Examples,
    key: Key,
    objective: Objective,
    wanted: Callable[[], bool] = lambda: True,
) -> dict[str, float] | None:
    """The mean of each metric; None if `wanted` turned false before the end.

    Args:
      eval_step: what `make_eval_step` compiled.
      params: the parameters to evaluate.
      hyper: the run-time scalars.
      examples: the part of the data.
      key: for noise; example i always sees the same.
      objective: what is measured.
      wanted: asked before each batch, so that a signal need not wait for the end.
    """
    totals = sum_up(eval_step, params, hyper, examples, key, batch_size=BATCH_SIZE, wanted=wanted)
    return None if totals is None else scores(totals, objective)


def sum_up(
    eval_step: Callable[..., Sums],
    params: Any,
    hyper: Hyperparameters,
    examples: Examples,
    key: Key,
    *,
    batch_size: int,
    wanted: Callable[[], bool],
) -> Totals | None:
    """`Sums` over a part in float64, scalars, or [M] of a population; arguments as `evaluate`."""
    number = examples.number
    totals: Totals = {}
    for indices, filled in zip(*evaluation_batches(number, min(batch_size, number)), strict=True):
        if not wanted():
            return None
        totals = added(totals, eval_step(params, hyper, examples, indices, filled, key))
    if np.any(totals["examples"] != number):
        raise AssertionError(f"evaluated {totals['examples']} of {number} examples")
    return totals


def added(totals: Totals, sums: Sums) -> Totals:
    """The totals with the sums of one more batch."""
    found = jax.device_get(sums)
    return {name: totals.get(name, 0.0) + np.float64(found[name]) for name in found}


def scores(totals: Totals, objective: Objective) -> dict[str, float]:
    """The mean of each metric from the sums over a part; NaN where no target counts."""
    count = float(totals["count"])
    return {name: float(totals[name]) / count if count else math.nan for name in objective.metrics}


def evaluate_trained(trained: Trained, examples: Examples) -> dict[str, float]:
    """The metrics on what `part_of` gives, `step`, and the number of `examples`."""
    experiment = trained.experiment
    found = evaluate(
        make_eval_step(experiment.model, experiment.task, experiment.objective),
        trained.params,
        experiment.hyper,
        examples,
        experiment.key(KeyPurpose.EVALUATION_NOISE),
        experiment.objective,
    )
    assert found is not None
    return {"step": trained.step, "examples": examples.number, **found}


def part_of(trained: Trained, split: str) -> Examples:
    """The examples of "train", "validation" or "test".

    Raises:
      ConfigError: if there is no such part.
      DataError: if the data are missing or damaged.
    """
    task, config = trained.experiment.task, trained.experiment.config
    if split == "train" and isinstance(task.source, Generated):
        raise ConfigError(
            f"the examples of {task.name} are generated, and those to train on have no end;"
            " give --split=test"
        )
    data = task.source.load(to_stderr)
    parts = place_examples(task, data, config.task.validation_size, config.seed)
    examples: Examples | None = getattr(parts, split)
    if examples is None:
        raise ConfigError("the run has no validation part; give --split=test")
    return examples


def evaluate_workdir(workdir: Path, split: str) -> dict[str, float]:
    """`evaluate_trained` of a run; raises what `read_trained` and `part_of` raise."""
    trained = read_trained(workdir)
    return evaluate_trained(trained, part_of(trained, split))
