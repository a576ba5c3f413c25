"""The 8 x 8 digits that come with scikit-learn: small, real, and there without a download."""

from __future__ import annotations

import importlib.metadata

import numpy as np

from asrnn.errors import DataError
from asrnn.tasks.images.sets import Located, Split

_LEVELS = 16
_FOLD = 5


def is_test(labels: np.ndarray) -> np.ndarray:
    """Marks every fifth example of each class, counted in file order, as a test example.

    The split uses no seed, so it is the same for everyone. Counting within the class balances it;
    every fifth example of all would not, because the labels run 0, 1, ..., 9 in long stretches.

    Returns:
      bool [N].
    """
    marks = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        marks[np.flatnonzero(labels == label)[_FOLD - 1 :: _FOLD]] = True
    return marks


def _decode() -> tuple[Split, Split]:
    from sklearn.datasets import load_digits

    values, classes = load_digits(return_X_y=True)
    images = np.round(values * 255 / _LEVELS).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = classes.astype(np.int32)
    test = is_test(labels)
    return Split(images[~test], labels[~test]), Split(images[test], labels[test])


def locate_digits() -> Located:
    """Finds scikit-learn's digits: uint8 [1442, 8, 8, 1] to train, [355, 8, 8, 1] to test.

    The grey values 0..16 are rescaled to 0..255 by round(255 v / 16). Source: E. Alpaydin and
    C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (its test part).

    Raises:
      DataError: scikit-learn is not installed.
    """
    try:
        version = importlib.metadata.version("scikit-learn")
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError(
            "the digits come with scikit-learn, which is not installed; run: "
            "python -m pip install scikit-learn"
        ) from error
    origin = f"scikit-learn {version}"
    return Located(origin, origin, _decode)
