"""The parts of the data on the device, and the batches that are made of them."""

from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.errors import ConfigError
from asrnn.models.network import DROPOUT_STREAM
from asrnn.tasks import (
    Data,
    DataSet,
    Generated,
    Task,
    batch_indices,
    generated_batches,
    split_validation,
    time_major,
)
from asrnn.typing import Array, Key


class KeyPurpose(IntEnum):
    """What the random streams of a run are for; each is `fold_in(key(seed), purpose)`."""

    INIT = 0
    TRAINING_NOISE = 1
    EVALUATION_NOISE = 2
    TRAINING_EXAMPLES = 3
    VALIDATION_EXAMPLES = 4
    TEST_EXAMPLES = 5


TEST_SEED = 0
"""Of generated examples, so that runs of different seeds are tested on the same."""


AUGMENTATION_STREAM = DROPOUT_STREAM - 1
"""Folded into an example's key, so that its augmentation shares no bits with noise and dropout."""


def purpose_key(seed: int, purpose: KeyPurpose) -> Key:
    """The key of one of the random streams of a run."""
    key: Key = jax.random.fold_in(jax.random.key(seed), purpose)
    return key


class Examples(NamedTuple):
    """One part of the data.

    Of resident data it is the arrays [N, ...]. `rows` int32 [K], if given, says which of them are
    the part, and in which order: members of a population have different parts of the same data.
    Of generated data it is a key: example number i is that of `fold_in(key, i)`. `rows` are the
    numbers of the part, and none are given where it has no end.
    """

    data: Data | Key
    rows: Array | None = None

    @property
    def number(self) -> int:
        """How many examples the part has."""
        if self.rows is not None:
            return int(self.rows.shape[-1])
        assert isinstance(self.data, dict)
        return int(self.data["targets"].shape[0])


class Batch(NamedTuple):
    """What an objective compares the outputs with, and what the outputs are made of."""

    inputs: Array
    """[T, B, m]."""
    targets: Array
    mask: Array | None


class Parts(NamedTuple):
    """Training, validation (None if empty) and test part."""

    train: Examples
    validation: Examples | None
    test: Examples


def take(
    task: Task, examples: Examples, indices: Array, keys: Array, *, training: bool = False
) -> Batch:
    """The examples at some positions in a part.

    Args:
      task: what is learnt.
      examples: the part.
      indices: int32 [B].
      keys: typed PRNG keys [B], for noise.
      training: whether they are to be trained on, and so augmented if the task says so.
    """
    at = indices if examples.rows is None else examples.rows[indices]
    if isinstance(task.source, Generated):
        assert not isinstance(examples.data, dict)
        own = jax.vmap(jax.random.fold_in, (None, 0))(examples.data, at)
        data = jax.vmap(task.source.example)(own)
        inputs = time_major(data["inputs"], keys)
    else:
        assert isinstance(examples.data, dict)
        data = {name: array[at] for name, array in examples.data.items()}
        inputs = data["inputs"]
        if training and task.source.augment is not None:
            own = jax.vmap(jax.random.fold_in, (0, None))(keys, AUGMENTATION_STREAM)
            inputs = task.source.augment(inputs, own)
        inputs = task.source.sequence(inputs, keys)
    return Batch(inputs, data["targets"], data.get("mask"))


def place_examples(task: Task, data: DataSet, validation_size: int, seed: int) -> Parts:
    """Makes the parts of a run; the seed chooses the validation part. Puts all on the device.

    Raises:
      ConfigError: if nothing would be left to train on, or the data have a validation part of
        their own and are to give another.
    """
    if isinstance(task.source, Generated):
        return Parts(
            Examples(purpose_key(seed, KeyPurpose.TRAINING_EXAMPLES)),
            _generated(seed, KeyPurpose.VALIDATION_EXAMPLES, validation_size)
            if validation_size
            else None,
            _generated(TEST_SEED, KeyPurpose.TEST_EXAMPLES, task.source.test_size),
        )
    check_validation(data, validation_size)
    train, validation = split_validation(len(data.train["targets"]), validation_size, seed)
    held_out = data.validation or (_chosen(data.train, validation) if validation_size else None)
    return Parts(
        Examples(_on_device(_chosen(data.train, train))),
        None if held_out is None else Examples(_on_device(held_out)),
        Examples(_on_device(data.test)),
    )


def check_validation(data: DataSet, validation_size: int) -> None:
    """Checks that there is one validation part, not two.

    Raises:
      ConfigError: if there would be two.
    """
    if data.validation is not None and validation_size:
        raise ConfigError(
            f"{data.origin} has a validation part of its own; leave config.task.validation_size"
            f" at 0, found {validation_size}"
        )


def check_patience(patience: int, parts: Parts) -> None:
    """Checks that there is a validation part to lose patience with.

    Raises:
      ConfigError: if there is none.
    """
    if patience and parts.validation is None:
        raise ConfigError(
            f"config.training.patience={patience} counts validations, and the run has no"
            " validation part; give config.task.validation_size"
        )


def next_batches(
    task: Task, seed: int, step: int, count: int, examples: Examples, batch_size: int
) -> np.ndarray:
    """The positions in the training part of the batches after `step` updates, int32 [count, B].

    Raises:
      ConfigError: if a batch would be larger than the part.
    """
    if isinstance(task.source, Generated):
        return generated_batches(step, count, batch_size)
    return batch_indices(seed, step, count, examples.number, batch_size)


def _generated(seed: int, purpose: KeyPurpose, number: int) -> Examples:
    return Examples(purpose_key(seed, purpose), jnp.arange(number, dtype=jnp.int32))


def _chosen(data: Data, indices: np.ndarray) -> Data:
    return {name: array[indices] for name, array in data.items()}


def _on_device(data: Data) -> dict[str, Any]:
    return {name: jnp.asarray(array) for name, array in data.items()}
