"""The tasks made of images: the paper's, their relatives, and the bundled digits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from asrnn.errors import ConfigError
from asrnn.lazy import jax
from asrnn.options import COUNT, SEED, Option, one_of
from asrnn.tasks import streams
from asrnn.tasks.images import sequences
from asrnn.tasks.images.noise import fresh_noise, shared_noise
from asrnn.tasks.images.sets import IMAGE_SETS, Facts, Split
from asrnn.tasks.images.sources import load_image_set, sources
from asrnn.tasks.task import Data, DataSet, Report, Resident, Settings, Task, TaskKind

PIXELS = Option(
    "pixels",
    "unit",
    "unit: x / 255; standardized: (x / 255 - mean) / std of the training images",
    one_of("unit", "standardized"),
)
POOL = Option("pool", 1, "k: each pixel is the mean of k x k pixels of the image", COUNT)
AUGMENT = Option(
    "augment",
    "none",
    "training images: none, shift (by up to an eighth of a side), flip (mirrored), flip_and_shift",
    one_of("none", "shift", "flip", "flip_and_shift"),
)
PERMUTATION_SEED = Option("permutation_seed", 0, "which fixed order of the pixels", SEED)
NOISE = Option(
    "noise",
    "fresh",
    "fresh for each example, or one fixed tensor drawn by the seed",
    one_of("fresh", "fixed"),
)
PADDED_LENGTH = Option(
    "padded_length",
    1000,
    "T: the rows of the image plus the steps of noise; another T has other noise",
    COUNT,
)

WRITTEN = ("digits", "mnist")
"""Image sets of characters, which their mirror images are not."""

CLASSES = 10

Notes = dict[str, str | int]
Order = Callable[["jax.Array"], "jax.Array"]
"""[B, H, W, Ch] -> [T, B, m]."""


def check_pool(size: int, height: int, width: int) -> None:
    """Checks that squares of size x size pixels cover an image.

    Raises:
      ConfigError: if they do not.
    """
    if height % size or width % size:
        raise ConfigError(
            f"config.task.pool must divide the sides of the images, {height} x {width},"
            f" found {size}"
        )


def read_pixels(order: Order, options: Any, facts: Facts) -> Order:
    """Pools, orders and scales images as the options say: [B, H, W, Ch] -> float32 [T, B, m].

    Raises:
      ConfigError: if `pool` does not divide the sides of the images.
    """
    check_pool(options["pool"], *facts.shape[:2])
    standardized = options["pixels"] == "standardized"
    mean, std = (facts.mean, facts.std) if standardized else (None, None)

    def read(images: jax.Array) -> jax.Array:
        return sequences.scaled(order(sequences.pooled(images, options["pool"])), mean, std)

    return read


def pixel_notes(options: Any) -> Notes:
    """The options for pixels that are not at their defaults; images of npz have no `augment`."""
    return {
        option.name: options[option.name]
        for option in (PIXELS, POOL, AUGMENT)
        if options.get(option.name, option.default) != option.default
    }


def as_data(split: Split) -> Data:
    """Images and labels as inputs and targets."""
    return {"inputs": split.images, "targets": split.labels}


def _resident(
    image_set: str, settings: Settings, sequence: Callable[[jax.Array, jax.Array], jax.Array]
) -> Resident:
    def load(report: Report) -> DataSet:
        images = load_image_set(image_set, settings.source, settings.data_dir, report=report)
        return DataSet(as_data(images.train), as_data(images.test), images.origin)

    shape, chosen = IMAGE_SETS[image_set].shape, settings.options["augment"]
    if chosen.startswith("flip") and image_set in WRITTEN:
        raise ConfigError(
            f"config.task.augment={chosen} would make other characters of those of {image_set};"
            " set it to shift or none"
        )
    augment = partial(
        sequences.augmented,
        flip=chosen.startswith("flip"),
        reach=shape[0] // 8 if chosen.endswith("shift") else 0,
    )
    return Resident(
        load, sequence, image_shape=shape, augment=None if chosen == "none" else augment
    )


def _pixel_task(
    name: str, image_set: str, settings: Settings, order: Order, notes: Notes | None = None
) -> Task:
    """One pixel a step."""
    facts, options = IMAGE_SETS[image_set], settings.options
    read = read_pixels(order, options, facts)

    def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
        del keys
        return read(images)

    height, width, channels = facts.shape
    return Task(
        name,
        height * width // options["pool"] ** 2,
        channels,
        CLASSES,
        _resident(image_set, settings, sequence),
        notes=(notes or {}) | pixel_notes(options),
    )


def _scanline(name: str, image_set: str, settings: Settings) -> Task:
    return _pixel_task(name, image_set, settings, sequences.pixels)


def _permuted(name: str, image_set: str, settings: Settings) -> Task:
    height, width, _ = IMAGE_SETS[image_set].shape
    seed, pool = settings.options["permutation_seed"], settings.options["pool"]
    check_pool(pool, height, width)
    count = height * width // pool**2
    order = streams.permutation(seed, streams.Stream.PIXEL_PERMUTATION, 0, count)

    def permute(images: jax.Array) -> jax.Array:
        return sequences.permuted_pixels(images, order)

    digest = hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
    notes: Notes = {"permutation_seed": seed, "permutation_sha256": digest[:16]}
    return _pixel_task(name, image_set, settings, permute, notes)


def _noise_padded(name: str, image_set: str, settings: Settings) -> Task:
    """The rows of an image, then noise up to `padded_length` steps."""
    facts, options = IMAGE_SETS[image_set], settings.options
    read = read_pixels(sequences.rows, options, facts)
    height, width, channels = facts.shape
    rows, size = height // options["pool"], width // options["pool"] * channels
    length = options["padded_length"]
    if length < rows:
        raise ConfigError(
            f"config.task.padded_length={length} is less than the {rows} rows of an image;"
            f" give {rows} or more"
        )
    steps = length - rows
    notes: Notes = {"noise": options["noise"]}
    fixed: np.ndarray | None = None
    if options["noise"] == "fixed":
        notes["noise_seed"] = settings.seed
        fixed = streams.standard_normal(settings.seed, streams.Stream.FIXED_NOISE, (steps, size))

    def sequence(images: jax.Array, keys: jax.Array) -> jax.Array:
        noise = (
            fresh_noise(keys, steps, size) if fixed is None else shared_noise(fixed, len(images))
        )
        return jax.numpy.concatenate([read(images), noise])

    return Task(
        name,
        length,
        size,
        CLASSES,
        _resident(image_set, settings, sequence),
        notes=notes | pixel_notes(options),
    )


def _kind(
    name: str, image_set: str, make: Callable[[str, str, Settings], Task], *own: Option
) -> TaskKind:
    return TaskKind(
        partial(make, name, image_set), sources(image_set), (PIXELS, POOL, AUGMENT, *own), image_set
    )


IMAGE_TASKS: dict[str, TaskKind] = {
    "digits": _kind("digits", "digits", _scanline),
    "mnist": _kind("mnist", "mnist", _scanline),
    "pmnist": _kind("pmnist", "mnist", _permuted, PERMUTATION_SEED),
    "fashion_mnist": _kind("fashion_mnist", "fashion_mnist", _scanline),
    "cifar10": _kind("cifar10", "cifar10", _scanline),
    "permuted_cifar10": _kind("permuted_cifar10", "cifar10", _permuted, PERMUTATION_SEED),
    "noise_padded_cifar10": _kind(
        "noise_padded_cifar10", "cifar10", _noise_padded, NOISE, PADDED_LENGTH
    ),
}
