"""Random numbers that stay the same forever, whatever the versions of NumPy and JAX.

`numpy.random.Generator` and `jax.random` may change what they draw from one release to the next,
and a run must be repeatable from its seed for longer than that. Everything here is derived from
the raw 64-bit output of Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", 2011), a published function of (key, counter), by operations that have only one answer.
"""

from __future__ import annotations

import enum
import math

import numpy as np

from asrnn.errors import ConfigError


class Stream(enum.IntEnum):
    """What a stream is for. The values are part of the definition: never reuse or renumber."""

    PIXEL_PERMUTATION = 1
    VALIDATION_SPLIT = 2
    EPOCH_ORDER = 3
    FIXED_NOISE = 4
    TEST_SPLIT = 5


def random_bits(seed: int, stream: Stream, index: int, count: int) -> np.ndarray:
    """Returns uint64 [count]: Philox4x64-10 with key (seed, stream), counter (., index, 0, 0).

    Raises:
      ConfigError: `seed` is not in [0, 2**64).
    """
    if not 0 <= seed < 2**64:
        raise ConfigError(f"a seed must be an integer from 0 to 2**64 - 1, found {seed}")
    key = np.array([seed, stream], np.uint64)
    counter = np.array([0, index, 0, 0], np.uint64)
    bits: np.ndarray = np.random.Philox(key=key, counter=counter).random_raw(count)
    return bits


def permutation(seed: int, stream: Stream, index: int, count: int) -> np.ndarray:
    """Returns int32 [count]: the order that sorts `count` random 64-bit numbers (ties: stable)."""
    bits = random_bits(seed, stream, index, count)
    return np.argsort(bits, kind="stable").astype(np.int32)


def standard_normal(seed: int, stream: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """Returns float32 `shape`: sqrt(-2 ln u) cos(2 pi v), u in (0, 1], v in [0, 1) (Box-Muller)."""
    count = math.prod(shape)
    bits = random_bits(seed, stream, 0, 2 * count) >> np.uint64(11)  # the 53 bits of a double
    u = (bits[:count] + np.uint64(1)) * 2.0**-53
    v = bits[count:] * 2.0**-53
    normal: np.ndarray = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
    return normal.astype(np.float32).reshape(shape)
