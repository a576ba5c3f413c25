"""What a trained network says of each example of a part of the data, and which classes it mixes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.tasks import evaluation_batches
from asrnn.training.evaluation import BATCH_SIZE, Totals, added, scores
from asrnn.training.examples import Examples, KeyPurpose
from asrnn.training.saved import Trained
from asrnn.training.step import Hyperparameters, Sums, batch_outputs, batch_sums
from asrnn.typing import Array, Key


class Predictions(NamedTuple):
    """N examples, each with one target, or one at each of T steps."""

    predictions: np.ndarray
    """Classes int32 `[N]` or `[N, T]`; numbers float32 `[N, k]` or `[N, T, k]`."""
    targets: np.ndarray
    """Likewise; where k = 1 perhaps without that axis."""
    counts: np.ndarray
    """bool `[N]` or `[N, T]`: whether the target counts."""
    probabilities: np.ndarray | None
    """Of the classes, float32 `[N, C]` or `[N, T, C]`; None for numbers."""


Advance = Callable[[int], None]
"""Is told how many more examples are done."""


def ignored(count: int) -> None:
    """For who does not show how far it is."""


def judge_examples(
    trained: Trained, examples: Examples, advance: Advance = ignored
) -> tuple[dict[str, float], Predictions]:
    """What `evaluate_trained` gives, and the predictions, by one pass over the examples.

    Args:
      trained: the network.
      examples: what `asrnn.training.evaluation.part_of` gives; the predictions are in its order.
      advance: is told how many more examples are done.
    """
    experiment = trained.experiment
    task, model, objective = experiment.task, experiment.model, experiment.objective

    @jax.jit
    def forward(
        params: Any,
        hyper: Hyperparameters,
        examples: Examples,
        indices: Array,
        filled: Array,
        key: Key,
    ) -> tuple[Sums, tuple[Array, ...]]:
        outputs, batch = batch_outputs(model, task, params, hyper, examples, indices, key)
        sums = batch_sums(objective, hyper, outputs, batch, filled)
        outputs = jnp.swapaxes(outputs, 0, 1) if outputs.ndim == 3 else outputs
        shape = outputs.shape[:-1]
        counts = jnp.ones(shape, bool) if batch.mask is None else batch.mask.astype(bool)
        counts = counts[:, None] if counts.ndim < len(shape) else counts
        own = outputs, batch.targets, jnp.broadcast_to(counts, shape)
        return sums, (*own, jax.nn.softmax(outputs)) if task.targets == "class" else own

    key, number = experiment.key(KeyPurpose.EVALUATION_NOISE), examples.number
    found, totals = [], Totals()
    batches = evaluation_batches(number, min(BATCH_SIZE, number))
    for indices, filled in zip(*batches, strict=True):
        sums, parts = forward(trained.params, experiment.hyper, examples, indices, filled, key)
        totals = added(totals, sums)
        found.append([np.asarray(part)[filled > 0] for part in parts])
        advance(len(found[-1][0]))
    result = {"step": trained.step, "examples": number, **scores(totals, objective)}
    outputs, targets, counts, *rest = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if task.targets != "class":
        return result, Predictions(outputs, targets, counts, None)
    classes = outputs.argmax(-1).astype(np.int32)
    return result, Predictions(classes, targets, counts, rest[0])


def confusion_matrix(found: Predictions) -> np.ndarray:
    """How many targets of class i were predicted as j, int64 `[C, C]`; of those that count."""
    assert found.probabilities is not None
    classes = found.probabilities.shape[-1]
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (found.targets[found.counts], found.predictions[found.counts]), 1)
    return matrix


def class_accuracy(matrix: np.ndarray) -> list[float | None]:
    """The fraction of each class that was predicted as it; None for a class without targets."""
    return [
        float(right / total) if total else None
        for right, total in zip(matrix.diagonal(), matrix.sum(1), strict=True)
    ]


def residuals(found: Predictions) -> dict[str, Any]:
    """Of each of the k numbers: root of the mean squared error, bias, and R² (None if constant).

    R² = 1 - Σ (y - t)² / Σ (t - mean t)², over the targets that count.
    """
    predictions = found.predictions[found.counts].astype(np.float64)
    targets = found.targets[found.counts].astype(np.float64).reshape(predictions.shape)
    errors = predictions - targets
    scatter = np.square(targets - targets.mean(0)).sum(0)
    explained = [
        float(1 - error / total) if total else None
        for error, total in zip(np.square(errors).sum(0), scatter, strict=True)
    ]
    return {
        "rmse": np.sqrt(np.square(errors).mean(0)).tolist(),
        "bias": errors.mean(0).tolist(),
        "r2": explained,
    }


def details(found: Predictions) -> dict[str, Any]:
    """What the predictions come to, as plain values: by class, or by number."""
    if found.probabilities is None:
        return residuals(found)
    matrix = confusion_matrix(found)
    return {"class_accuracy": class_accuracy(matrix), "confusion_matrix": matrix.tolist()}


def details_text(said: dict[str, Any], most_classes: int = 20) -> str:
    """For a terminal: the confusion matrix with the accuracy of each class, or the residuals."""
    if "rmse" in said:
        columns = zip(said["rmse"], said["bias"], said["r2"], strict=True)
        return "\n".join(
            f"number {i}: root mean squared error {rmse:.4g}, bias {bias:.4g},"
            f" R² {'none' if r2 is None else f'{r2:.4f}'}"
            for i, (rmse, bias, r2) in enumerate(columns)
        )
    matrix, accuracy = said["confusion_matrix"], said["class_accuracy"]
    texts = ["-" if value is None else f"{value:.1%}" for value in accuracy]
    if len(matrix) > most_classes:
        known = sorted((a, i) for i, a in enumerate(accuracy) if a is not None)
        worst = ", ".join(f"{i} {texts[i]}" for _, i in known[:most_classes])
        return f"lowest accuracies of {len(matrix)} classes: {worst}; --json has all"
    wide = max(3, *(len(str(count)) for row in matrix for count in row)) + 1
    head = f"{'class':>5} {'accuracy':>9}" + "".join(f"{i:>{wide}}" for i in range(len(matrix)))
    lines = [
        f"{i:>5} {texts[i]:>9}" + "".join(f"{count:>{wide}}" for count in row)
        for i, row in enumerate(matrix)
    ]
    return "\n".join(["rows: the class; columns: what was predicted", head, *lines])
