"""Which examples make up a batch: pure functions of (seed, step), nothing to store or restore."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from asrnn.errors import ConfigError
from asrnn.tasks import streams

SEEDS_AT_ONCE = 256  # whose orders are remembered: the members of a population


def split_validation(
    num_train: int, validation_size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Takes a random validation part out of the training part.

    Returns:
      (train int32 [num_train - validation_size], validation int32 [validation_size]): disjoint
      indices into the training part, each in ascending order. The same numbers name other images
      in a source that stores the images in another order.

    Raises:
      ConfigError: `validation_size` is negative or leaves no training example.
    """
    stream = streams.Stream.VALIDATION_SPLIT
    return split_off(num_train, validation_size, seed, stream, "validation_size")


def split_off(
    number: int, taken: int, seed: int, stream: streams.Stream, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Splits examples at random.

    Returns:
      (int32 [number - taken], int32 [taken]): disjoint indices, each in ascending order.

    Raises:
      ConfigError: `taken`, called by `name`, is negative or leaves no example.
    """
    if not 0 <= taken < number:
        raise ConfigError(
            f"{name} must be from 0 to {number - 1}, because there are {number} "
            f"training examples and one must be left to train on; found {taken}"
        )
    order = streams.permutation(seed, stream, 0, number)
    return np.sort(order[taken:]), np.sort(order[:taken])


@functools.lru_cache(maxsize=SEEDS_AT_ONCE)
def _orders(seed: int, num_examples: int) -> Callable[[int], np.ndarray]:
    """epoch -> int32 [num_examples], the order of the examples in it."""

    # Consecutive chunks of steps touch at most the end of one epoch and the start of the next.
    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        order = streams.permutation(seed, streams.Stream.EPOCH_ORDER, epoch, num_examples)
        order.flags.writeable = False
        return order

    return order


def batch_indices(
    seed: int, first_step: int, count: int, num_examples: int, batch_size: int
) -> np.ndarray:
    """The examples of the steps first_step .. first_step + count - 1.

    Step s is batch s % K of epoch s // K, K = num_examples // batch_size. Each epoch is a fresh
    permutation of all examples, cut into K batches; what is left over stays out of that epoch, so
    no example comes twice in one.

    Returns:
      int32 [count, B].

    Raises:
      ConfigError: `batch_size` is not in [1, num_examples].
    """
    if not 1 <= batch_size <= num_examples:
        raise ConfigError(
            f"batch_size must be from 1 to {num_examples}, the number of training examples; "
            f"found {batch_size}"
        )
    per_epoch = num_examples // batch_size
    orders = _orders(seed, num_examples)
    batches = np.empty((count, batch_size), np.int32)
    done = 0
    while done < count:
        epoch, start = divmod(first_step + done, per_epoch)
        taken = min(per_epoch - start, count - done)
        order = orders(epoch)
        chosen = order[start * batch_size : (start + taken) * batch_size]
        batches[done : done + taken] = chosen.reshape(taken, batch_size)
        done += taken
    return batches


def generated_batches(first_step: int, count: int, batch_size: int) -> np.ndarray:
    """The numbers of the examples of generated data: those of step s are s B, ..., s B + B - 1.

    After 2^31 examples they come again.

    Returns:
      int32 [count, B].
    """
    numbers = np.arange(first_step * batch_size, (first_step + count) * batch_size, dtype=np.int64)
    return (numbers % 2**31).astype(np.int32).reshape(count, batch_size)


def evaluation_batches(num_examples: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every example exactly once, in order, in batches of one shape.

    Returns:
      (indices int32 [K, B], mask float32 [K, B]), K = ceil(num_examples / batch_size). The last
      batch is filled up with example 0 at mask 0.

    Raises:
      ConfigError: `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, found {batch_size}")
    shape = (-(-num_examples // batch_size), batch_size)
    positions = np.arange(shape[0] * batch_size, dtype=np.int32).reshape(shape)
    mask = positions < num_examples
    return np.where(mask, positions, 0).astype(np.int32), mask.astype(np.float32)
