"""The tasks made of images: pixel by pixel, in a permuted order, or padded with noise."""

import hashlib
from collections.abc import Callable

from asrnn.errors import ConfigError
from asrnn.options import COUNT, SEED, Option, one_of
from asrnn.tasks import streams
from asrnn.tasks.images import sequences
from asrnn.tasks.images.sets import IMAGE_SETS, sources
from asrnn.tasks.task import Notes, Task, TaskEntry
from asrnn.typing import Array

CLASSES = 10
PADDED_LENGTH = 1000

PIXELS = Option(
    "pixels",
    "unit",
    "unit: x / 255; standardized: (x / 255 - mean) / std of the training images",
    one_of("unit", "standardized"),
)
POOL = Option("pool", 1, "k: each pixel is the mean over k x k; must divide the side", COUNT)
PERMUTATION_SEED = Option("permutation_seed", 0, "which fixed order of the pixels", SEED)
NOISE = Option(
    "noise",
    "fresh",
    "fresh: each example draws its own; fixed: one tensor for all",
    one_of("fresh", "fixed"),
)


def pixel_by_pixel(image_set: str) -> TaskEntry:
    """One pixel a step in scanline order: T = (H/k)(W/k), m = Ch."""

    def build(name: str, noise_seed: int, *, pixels: str, pool: int) -> Task:
        del noise_seed
        read, (height, width, channels) = _reader(image_set, pixels, pool)

        def sequence(images: Array, keys: Array) -> Array:
            del keys
            return sequences.pixels(read(images))

        notes = _notes(pixels, pool)
        return Task(name, image_set, height * width, channels, CLASSES, notes, sequence)

    return TaskEntry(build, sources(image_set), (PIXELS, POOL))


def permuted_pixels(image_set: str) -> TaskEntry:
    """One pixel a step in a fixed random order.

    The order is `streams.permutation` of all pixels, recorded with its seed and with the first
    16 hex digits of its sha256 (as little-endian int32).
    """

    def build(name: str, noise_seed: int, *, permutation_seed: int, pixels: str, pool: int) -> Task:
        del noise_seed
        read, (height, width, channels) = _reader(image_set, pixels, pool)
        length = height * width
        order = streams.permutation(permutation_seed, streams.Stream.PIXEL_PERMUTATION, 0, length)

        def sequence(images: Array, keys: Array) -> Array:
            del keys
            return sequences.permuted_pixels(read(images), order)

        digest = hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
        notes: Notes = {"permutation_seed": permutation_seed, "permutation_sha256": digest[:16]}
        notes |= _notes(pixels, pool)
        return Task(name, image_set, length, channels, CLASSES, notes, sequence)

    return TaskEntry(build, sources(image_set), (PERMUTATION_SEED, PIXELS, POOL))


def noise_padded_rows(image_set: str) -> TaskEntry:
    """One row a step, then standard normal noise up to 1,000 steps.

    The noise is "fresh" (each example draws its own from its key) or "fixed" (one tensor for
    all examples, as in the code of coRNN and LEM).
    """

    def build(name: str, noise_seed: int, *, noise: str, pixels: str, pool: int) -> Task:
        read, (height, width, channels) = _reader(image_set, pixels, pool)
        size = width * channels
        notes: Notes
        if noise == "fresh":
            notes = {"noise": "fresh"}

            def sequence(images: Array, keys: Array) -> Array:
                return sequences.rows_with_fresh_noise(read(images), keys, PADDED_LENGTH)

        else:
            notes = {"noise": "fixed", "noise_seed": noise_seed}
            shared = streams.standard_normal(
                noise_seed, streams.Stream.FIXED_NOISE, (PADDED_LENGTH - height, size)
            )

            def sequence(images: Array, keys: Array) -> Array:
                del keys
                return sequences.rows_with_fixed_noise(read(images), shared)

        notes |= _notes(pixels, pool)
        return Task(name, image_set, PADDED_LENGTH, size, CLASSES, notes, sequence)

    return TaskEntry(build, sources(image_set), (NOISE, PIXELS, POOL))


def _reader(
    image_set: str, pixels: str, pool: int
) -> tuple[Callable[[Array], Array], tuple[int, int, int]]:
    """What is done to images before they become sequences, and the shape that results."""
    facts = IMAGE_SETS[image_set]
    height, width, channels = facts.shape
    if height % pool or width % pool:
        raise ConfigError(
            f"config.task.pool must divide the side of the images of {image_set}, {height};"
            f" found {pool}"
        )
    shape = (height // pool, width // pool, channels)

    def read(images: Array) -> Array:
        if pool > 1:
            images = sequences.pooled(images, pool)
        if pixels == "standardized":
            images = sequences.standardized(images, facts.mean, facts.std)
        return images

    return read, shape


def _notes(pixels: str, pool: int) -> Notes:
    """What differs from the usual reading; a run of the usual one says nothing of it."""
    usual = {"pixels": PIXELS.default, "pool": POOL.default}
    chosen: Notes = {"pixels": pixels, "pool": pool}
    return {name: value for name, value in chosen.items() if value != usual[name]}
