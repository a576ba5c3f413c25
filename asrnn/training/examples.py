"""The parts of the data, resident on the device as uint8 images."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from asrnn.tasks import ImageSet, Split, split_validation
from asrnn.typing import Array


class Examples(NamedTuple):
    """One part: images uint8 [N, H, W, channels], labels int32 [N].

    `rows` int32 [K], if given, says which of the images are the part, and in which order:
    members of a population have different parts of the same images.
    """

    images: Array
    labels: Array
    rows: Array | None = None

    @property
    def number(self) -> int:
        """How many examples the part has."""
        return int((self.labels if self.rows is None else self.rows).shape[-1])

    def take(self, indices: Array) -> tuple[Array, Array]:
        """The images and labels at some positions in the part."""
        rows = indices if self.rows is None else self.rows[indices]
        return self.images[rows], self.labels[rows]


class Parts(NamedTuple):
    """Training, validation (None if empty) and test part."""

    train: Examples
    validation: Examples | None
    test: Examples


def place_examples(images: ImageSet, validation_size: int, seed: int) -> Parts:
    """Takes the validation part from the training part by a seed; puts all on the device.

    Raises:
      ConfigError: if nothing would be left to train on.
    """
    train, validation = split_validation(len(images.train.labels), validation_size, seed)
    return Parts(
        _place(images.train, train),
        _place(images.train, validation) if validation_size else None,
        _place(images.test, np.arange(len(images.test.labels))),
    )


def _place(split: Split, indices: np.ndarray) -> Examples:
    return Examples(jnp.asarray(split.images[indices]), jnp.asarray(split.labels[indices]))
