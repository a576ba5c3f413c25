"""Loss and accuracy over a part of the data, every example counted once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from asrnn.console import to_stderr
from asrnn.dynamics import Coefficients
from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.checkpoints import Checkpoints
from asrnn.runs.workdir import CHECKPOINTS, CONFIG, TRIALS, read_config
from asrnn.tasks import evaluation_batches, load_image_set
from asrnn.training.examples import Examples, place_examples
from asrnn.training.experiment import make_experiment
from asrnn.training.step import Counts, KeyPurpose, make_eval_step
from asrnn.typing import Key

BATCH_SIZE = 500


def evaluate(
    eval_step: Callable[..., Counts],
    params: Any,
    coefficients: Coefficients,
    examples: Examples,
    key: Key,
    wanted: Callable[[], bool] = lambda: True,
) -> dict[str, float] | None:
    """Mean loss and accuracy; None if `wanted` turned false before the end.

    Args:
      eval_step: what `make_eval_step` compiled.
      params: the parameters to evaluate.
      coefficients: ε and γ.
      examples: the part of the data.
      key: for noise; example i always sees the same.
      wanted: asked before each batch, so that a signal need not wait for the end.
    """
    totals = sum_counts(
        eval_step, params, coefficients, examples, key, batch_size=BATCH_SIZE, wanted=wanted
    )
    return None if totals is None else scores(totals)


def sum_counts(
    eval_step: Callable[..., Counts],
    params: Any,
    coefficients: Coefficients,
    examples: Examples,
    key: Key,
    *,
    batch_size: int,
    wanted: Callable[[], bool],
) -> np.ndarray | None:
    """`Counts` over a part, float64 [3], or [3, M] of a population; arguments as `evaluate`."""
    number = examples.number
    totals: Any = 0.0
    for indices, mask in zip(*evaluation_batches(number, min(batch_size, number)), strict=True):
        if not wanted():
            return None
        counts = eval_step(params, coefficients, examples, indices, mask, key)
        totals = totals + np.array(jax.device_get(counts), np.float64)
    if np.any(totals[2] != number):
        raise AssertionError(f"evaluated {totals[2]} of {number} examples")
    return np.asarray(totals)


def scores(totals: np.ndarray) -> dict[str, float]:
    """Mean loss and accuracy from the sums [3] over a part."""
    loss, correct, counted = totals
    return {"loss": float(loss / counted), "accuracy": float(correct / counted)}


def evaluate_workdir(workdir: Path, split: str) -> dict[str, float]:
    """Loss and accuracy of the best checkpoint of a run on "train", "validation" or "test".

    Without a validation part, or if the best one is damaged, the latest one is evaluated.

    Raises:
      ConfigError: if the workdir is not one of a run, or has no such part.
      DataError: if the data are missing or damaged.
      CheckpointError: if there is no checkpoint, or all are damaged.
    """
    if (workdir / TRIALS).exists():
        trial = min(workdir.glob(f"*/{CHECKPOINTS}"), default=workdir / "ID/-").parent
        raise ConfigError(
            f"{workdir} is the folder of a sweep; name a trial of it: --workdir={trial}"
        )
    config = read_config(workdir / CONFIG)
    experiment = make_experiment(config)
    task = experiment.task
    images = load_image_set(
        task.image_set, config.task.source, config.task.data_dir, report=to_stderr
    )
    parts = place_examples(images, config.task.validation_size, config.seed)
    examples: Examples | None = getattr(parts, split)
    if examples is None:
        raise ConfigError(f"the run in {workdir} has no validation part; give --split=test")
    checkpoints = Checkpoints(workdir / CHECKPOINTS, report=to_stderr)
    latest = checkpoints.latest(experiment.initial_snapshot())
    if latest is None:
        raise CheckpointError(f"no checkpoint in {workdir / CHECKPOINTS}; train first")
    best = latest.info["best"]["step"]
    chosen = None if best in (None, latest.step) else checkpoints.best(best, latest.tree)
    checkpoint = chosen or latest
    found = evaluate(
        make_eval_step(experiment.model, task.sequence),
        checkpoint.tree.state.params,
        experiment.hyper.coefficients,
        examples,
        experiment.key(KeyPurpose.EVALUATION_NOISE),
    )
    assert found is not None
    return {"step": checkpoint.step, "examples": examples.number, **found}
