"""What an update may have beside its loss: parts of a batch, an average, dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.models import Dropout
from asrnn.tasks import Data, Generated, Task
from asrnn.training.examples import KeyPurpose, place_examples, take
from asrnn.training.experiment import make_experiment
from asrnn.training.step import Snapshot, make_train_steps, newest_weight
from asrnn.typing import Key
from tests.training.runs import arrays, tiny_config

COPYING = {
    "task__name": "copying",
    "task__source": "generated",
    "task__length": 5,
    "task__validation_size": 0,
    "model__readout": "every_step",
}


def some_masked(task: Task) -> Task:
    """The copying task with targets that do not count: of some examples none does, of some all."""
    example = task.source.example  # type: ignore[union-attr]

    def masked(key: Key) -> Data:
        first = jax.random.randint(key, (), -20, 2 * task.length)
        return {**example(key), "mask": jnp.arange(task.length) >= first}

    return replace(task, source=Generated(masked, 1))


def updates(**changes: Any) -> Callable[[int], Snapshot]:
    """What gives the state after some updates of 16 examples each."""
    config = tiny_config(**{"training__batch_size": 16, **changes})
    experiment = make_experiment(config)
    task = some_masked(experiment.task) if changes.get("task__name") else experiment.task
    parts = place_examples(task, task.source.load(lambda line: None), 0, 0)
    train_steps = make_train_steps(
        experiment.model, task, experiment.objective, experiment.settings
    )
    indices = np.arange(4 * 16, dtype=np.int32).reshape(4, 16)
    key = experiment.key(KeyPurpose.TRAINING_NOISE)

    def after(steps: int) -> Snapshot:
        state, window = experiment.initial_snapshot()
        rest = (window, experiment.hyper, parts.train, indices, steps, key)
        return Snapshot(*train_steps(state, *rest))

    return after


@pytest.mark.parametrize(
    "changes",
    [{"model__readout_dropout": 0.5, "optimizer__clip_norm": 0.1}, COPYING],
    ids=["dropout", "masked"],
)
def test_a_batch_in_parts_is_the_batch_to_rounding(changes: dict[str, Any]) -> None:
    whole, parts = updates(**changes)(3), updates(training__accumulate=16, **changes)(3)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6),
        whole,
        parts,
    )


def test_the_average_weights_the_parameters_after_each_update() -> None:
    decay = 0.7
    without, after = updates(), updates(optimizer__ema_decay=decay)
    found = after(3).state
    each = [after(count).state.params for count in (1, 2, 3)]
    weights = np.array([decay**2, decay, 1]) / (decay**2 + decay + 1)

    def check(average: Any, *params: Any) -> None:
        expected = np.tensordot(weights, np.stack(params), 1)
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)

    jax.tree.map(check, found.average, *each)
    assert found.evaluated is found.average
    assert arrays(after(0).state.average) == arrays(without(0).state.params)
    plain = without(3).state
    assert arrays(found.params) == arrays(plain.params)  # it has no say in the training
    assert not jax.tree.leaves(plain.average)
    assert plain.evaluated is plain.params


def test_the_newest_weight_is_exact_where_the_decay_is_close_to_one() -> None:
    for decay, count in ((0.9999, 1), (0.9999, 2), (0.99999, 1000), (0.5, 50)):
        exact = (1 - np.float32(decay).astype(float)) / (
            1 - np.float32(decay).astype(float) ** count
        )
        assert float(newest_weight(decay, jnp.int32(count))) == pytest.approx(exact, rel=1e-5)


def test_dropout_keeps_the_mean_and_is_an_examples_own() -> None:
    keys = jax.random.split(jax.random.key(0), 500)
    read = jnp.ones((3, 500, 8))  # [T, B, n]
    dropped = np.asarray(Dropout(0.25, keys)(read))
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    assert (dropped[0] != dropped[1]).any()  # each step by itself
    np.testing.assert_array_equal(Dropout(0.25, keys[7:9])(read[:, :2]), dropped[:, 7:9])
    np.testing.assert_array_equal(Dropout(0.0, keys)(read), read)


def test_dropout_is_part_of_the_loss_that_is_trained() -> None:
    losses = {float(updates(model__readout_dropout=rate)(1).window["loss"]) for rate in (0.0, 0.5)}
    assert len(losses) == 2


def test_images_are_augmented_in_training_only() -> None:
    experiment = make_experiment(tiny_config(task__augment="shift"))
    task = experiment.task
    train = place_examples(task, task.source.load(lambda line: None), 0, 0).train
    indices, keys = np.arange(8), jax.random.split(jax.random.key(0), 8)
    assert isinstance(train.data, dict)
    plain = task.source.sequence(train.data["inputs"][:8], keys)  # type: ignore[union-attr]
    np.testing.assert_array_equal(take(task, train, indices, keys).inputs, plain)
    moved = np.any(take(task, train, indices, keys, training=True).inputs != plain, axis=(0, 2))
    assert moved.sum() > 4  # one in nine stays where it is

    losses = {float(updates(task__augment=how)(1).window["loss"]) for how in ("none", "shift")}
    assert len(losses) == 2
