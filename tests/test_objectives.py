"""What is minimised and measured: against NumPy, masked, at the last state and at every step."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.objectives import (
    CROSS_ENTROPY,
    OBJECTIVES,
    RESERVED,
    SQUARED_ERROR,
    Metric,
    find_objective,
    objective_of,
)
from asrnn.options import values_of

B, T, C = 5, 4, 3


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def classes(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, C, shape).astype(np.int32)


def mask(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).random(shape) < 0.6


def sums(objective, outputs, targets, mask=None):
    found = objective.sums(
        jnp.asarray(outputs, jnp.float32),
        jnp.asarray(targets),
        None if mask is None else jnp.asarray(mask),
    )
    return {name: float(value) for name, value in found.items()}


def expected_cross_entropy(logits, labels, counted):
    """By a loop in float64; logits [B, C] or [T, B, C], labels [B] or [B, T]."""
    loss = correct = count = 0.0
    for index in np.ndindex(labels.shape):
        if counted[index]:
            row = logits[index[::-1]]
            loss += math.log(sum(math.exp(value) for value in row)) - row[labels[index]]
            correct += np.argmax(row) == labels[index]
            count += 1
    return {"loss": loss, "accuracy": correct, "count": count}


def test_cross_entropy_of_the_last_state() -> None:
    logits, labels = random(B, C), classes(B)
    found = sums(CROSS_ENTROPY, logits, labels)
    assert found == pytest.approx(expected_cross_entropy(logits, labels, np.ones(B)), rel=1e-6)


def test_cross_entropy_of_the_last_state_counts_what_the_mask_says() -> None:
    logits, labels, counted = random(B, C), classes(B), mask(B)
    found = sums(CROSS_ENTROPY, logits, labels, counted)
    assert 0 < found["count"] < B
    assert found == pytest.approx(expected_cross_entropy(logits, labels, counted), rel=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_cross_entropy_at_every_step(masked: bool) -> None:
    logits, labels = random(T, B, C), classes(B, T)
    counted = mask(B, T) if masked else np.ones((B, T), bool)
    found = sums(CROSS_ENTROPY, logits, labels, counted if masked else None)
    assert found == pytest.approx(expected_cross_entropy(logits, labels, counted), rel=1e-6)


def test_a_mask_of_examples_counts_all_their_steps() -> None:
    logits, labels, counted = random(T, B, C), classes(B, T), mask(B)
    found = sums(CROSS_ENTROPY, logits, labels, counted)
    everywhere = np.broadcast_to(counted[:, None], (B, T))
    assert found == pytest.approx(expected_cross_entropy(logits, labels, everywhere), rel=1e-6)


def test_squared_error_of_the_last_state_is_the_mean_over_its_numbers() -> None:
    outputs, targets = random(B, C), random(B, C) + 1
    found = sums(SQUARED_ERROR, outputs, targets)
    assert found == pytest.approx({"loss": ((outputs - targets) ** 2).mean(1).sum(), "count": B})


def test_squared_error_takes_one_number_without_an_axis_of_its_own() -> None:
    outputs, targets = random(B, 1), random(B) + 1
    found = sums(SQUARED_ERROR, outputs, targets)
    assert found == pytest.approx({"loss": ((outputs[:, 0] - targets) ** 2).sum(), "count": B})


def test_squared_error_at_every_step() -> None:
    outputs, targets, counted = random(T, B, 2), random(B, T, 2) + 1, mask(B, T)
    found = sums(SQUARED_ERROR, outputs, targets, counted)
    errors = ((outputs.transpose(1, 0, 2) - targets) ** 2).mean(2)
    assert found == pytest.approx({"loss": errors[counted].sum(), "count": counted.sum()})


@pytest.mark.parametrize(
    ("objective", "outputs", "targets", "nothing"),
    [
        (CROSS_ENTROPY, random(T, B, C), classes(B, T), -1),
        (SQUARED_ERROR, random(T, B, 2), random(B, T, 2), np.nan),
    ],
)
def test_what_does_not_count_may_be_anything(objective, outputs, targets, nothing) -> None:
    counted = mask(B, T)
    spoilt = np.array(targets)
    spoilt[~counted] = nothing
    assert sums(objective, outputs, spoilt, counted) == sums(objective, outputs, targets, counted)

    def loss(outputs):
        return objective.sums(outputs, jnp.asarray(spoilt), jnp.asarray(counted))["loss"]

    gradient = jax.grad(loss)(jnp.asarray(outputs, jnp.float32))
    assert np.all(np.isfinite(gradient))
    assert np.all(np.asarray(gradient)[~counted.T] == 0)


def test_nothing_counts_where_the_mask_is_empty() -> None:
    found = sums(SQUARED_ERROR, random(B, 1), random(B), np.zeros(B, bool))
    assert found == {"loss": 0.0, "count": 0.0}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_an_objective_describes_what_it_measures(objective) -> None:
    outputs = jnp.zeros((B, C))
    targets = jnp.zeros(B, jnp.int32) if objective.targets == "class" else jnp.zeros((B, C))
    values = values_of(objective, {})
    assert objective.terms(outputs, targets, **values).keys() == objective.metrics.keys()
    assert "loss" in objective.metrics
    assert objective.monitored in objective.metrics
    assert not set(RESERVED) & objective.metrics.keys()
    assert OBJECTIVES[objective.name] is objective


def test_metrics_are_compared_in_their_direction() -> None:
    accuracy, loss = CROSS_ENTROPY.metric, SQUARED_ERROR.metric
    assert accuracy.cost(0.9) < accuracy.cost(0.8) < accuracy.cost(None)
    assert loss.cost(0.01) < loss.cost(0.02) < loss.cost(None)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (CROSS_ENTROPY.metric, 0.97464, "97.46%"),
        (CROSS_ENTROPY.metric, None, "-"),
        (SQUARED_ERROR.metric, 0.00934, "0.0093"),
        (SQUARED_ERROR.metric, None, "-"),
    ],
)
def test_metrics_are_shown_as_one_writes_them(
    metric: Metric, value: float | None, text: str
) -> None:
    assert metric.text(value) == text


def test_an_unknown_objective_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'squared_error'"):
        find_objective("squared_eror")


def test_a_config_without_an_objective_is_one_of_cross_entropy() -> None:
    assert objective_of({"task.name": "digits"}) == CROSS_ENTROPY
    assert objective_of({"objective.name": "squared_error"}) == SQUARED_ERROR
