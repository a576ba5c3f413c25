"""The tasks of the paper, and the bundled digits: which images, read how, as which sequences."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax

from asrnn.errors import ConfigError
from asrnn.tasks import sequences, streams

NOISES = ("fresh", "fixed")
_PADDED_LENGTH = 1000


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt: a set of images and the way each image becomes a sequence."""

    name: str
    image_set: str  # digits | mnist | cifar10
    length: int  # T
    input_size: int  # m
    num_classes: int  # C
    # What else names the task exactly, for the summary of a run.
    notes: dict[str, str | int]
    # (images uint8 [B, H, W, Ch], typed PRNG keys [B]) -> float32 [T, B, m]. Pure and jittable.
    # Pixels are in [0, 1]; noise is standard normal, and nothing but fresh noise uses the keys.
    sequence: Callable[[jax.Array, jax.Array], jax.Array]


class TaskOptions(NamedTuple):
    """What a user may choose about a task; a task takes from it what concerns it."""

    permutation_seed: int
    noise: str
    noise_seed: int


def _pixel_sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
    del keys
    return sequences.pixels(images)


def _digits(options: TaskOptions) -> Task:
    del options
    return Task("digits", "digits", 64, 1, 10, {}, _pixel_sequence)


def _mnist(options: TaskOptions) -> Task:
    del options
    return Task("mnist", "mnist", 784, 1, 10, {}, _pixel_sequence)


def _pmnist(options: TaskOptions) -> Task:
    seed = options.permutation_seed
    order = streams.permutation(seed, streams.Stream.PIXEL_PERMUTATION, 0, 784)

    def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
        del keys
        return sequences.permuted_pixels(images, order)

    digest = hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
    notes: dict[str, str | int] = {"permutation_seed": seed, "permutation_sha256": digest[:16]}
    return Task("pmnist", "mnist", 784, 1, 10, notes, sequence)


def _cifar10(options: TaskOptions) -> Task:
    del options
    return Task("cifar10", "cifar10", 1024, 3, 10, {}, _pixel_sequence)


def _noise_padded_cifar10(options: TaskOptions) -> Task:
    notes: dict[str, str | int]
    if options.noise == "fresh":
        notes = {"noise": "fresh"}

        def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
            return sequences.rows_with_fresh_noise(images, keys, _PADDED_LENGTH)

    else:
        notes = {"noise": "fixed", "noise_seed": options.noise_seed}
        noise = streams.standard_normal(
            options.noise_seed, streams.Stream.FIXED_NOISE, (_PADDED_LENGTH - 32, 96)
        )

        def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
            del keys
            return sequences.rows_with_fixed_noise(images, noise)

    return Task("noise_padded_cifar10", "cifar10", _PADDED_LENGTH, 96, 10, notes, sequence)


TASKS: dict[str, Callable[[TaskOptions], Task]] = {
    "digits": _digits,
    "mnist": _mnist,
    "pmnist": _pmnist,
    "cifar10": _cifar10,
    "noise_padded_cifar10": _noise_padded_cifar10,
}

SOURCES_OF: dict[str, tuple[str, ...]] = {
    "digits": ("bundled",),
    "mnist": ("tfds", "files"),
    "pmnist": ("tfds", "files"),
    "cifar10": ("tfds", "files"),
    "noise_padded_cifar10": ("tfds", "files"),
}


def _near_miss(given: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(given, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def make_task(
    name: str, *, permutation_seed: int = 0, noise: str = "fresh", noise_seed: int = 0
) -> Task:
    """Builds the task called `name`.

    Args:
      name: one of `TASKS`.
      permutation_seed: for pmnist, names the order of the pixels: `streams.permutation` of 784,
        recorded with the first 16 hex digits of its sha256 (as little-endian int32).
      noise: for noise_padded_cifar10, "fresh" (each example draws its own from its key) or
        "fixed" (one tensor for all examples, as in the code of coRNN and LEM).
      noise_seed: the seed of the "fixed" tensor.

    Raises:
      ConfigError: unknown name or noise, or a seed that is not in [0, 2**64).
    """
    if name not in TASKS:
        hint = _near_miss(name, tuple(TASKS))
        raise ConfigError(f"unknown task {name!r}; there are {', '.join(TASKS)}{hint}")
    if noise not in NOISES:
        hint = _near_miss(noise, NOISES)
        raise ConfigError(f"unknown noise {noise!r}; there are {', '.join(NOISES)}{hint}")
    return TASKS[name](TaskOptions(permutation_seed, noise, noise_seed))
