"""Images and labels as plain arrays, the form in which every source hands them over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """The training or the test part: `labels[i]` belongs to `images[i]`.

    The arrays may be read-only views of a file's bytes: copy before writing into them.
    """

    images: np.ndarray  # uint8 [N, H, W, Ch]
    labels: np.ndarray  # int32 [N]


class ImageSet(NamedTuple):
    """Both parts of an image set and one line that says where they came from."""

    train: Split
    test: Split
    origin: str


class Located(NamedTuple):
    """Image data that were found and identified, but not decoded yet."""

    origin: str
    # Names what `decode` will read; None where a cache would be no faster than decoding again.
    fingerprint: str | None
    decode: Callable[[], tuple[Split, Split]]
