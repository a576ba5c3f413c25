"""The bundled digits: all of scikit-learn's, rescaled, in a split that needs no seed."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

from asrnn.errors import DataError
from asrnn.tasks.images.digits import is_test, locate_digits


def test_both_parts_together_are_the_digits_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    values, classes = load_digits(return_X_y=True)
    train, test = locate_digits().decode()
    test_marks = is_test(classes)
    assert train.images.shape == (1442, 8, 8, 1) and test.images.shape == (355, 8, 8, 1)
    for split, marks in ((train, ~test_marks), (test, test_marks)):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        expected = [[round(v * 255 / 16) for v in image] for image in values[marks]]
        assert split.images.reshape(-1, 64).tolist() == expected
        assert split.labels.tolist() == classes[marks].tolist()
    assert train.images.min() == 0 and train.images.max() == 255


def test_every_fifth_example_of_each_class_is_for_the_test() -> None:
    labels = np.array([0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    # The fifth and the tenth 0, and the fifth 1.
    assert np.flatnonzero(is_test(labels)).tolist() == [6, 9, 14]


def test_the_test_part_is_a_fifth_of_every_class() -> None:
    train, test = locate_digits().decode()
    share = np.bincount(test.labels) / (np.bincount(train.labels) + np.bincount(test.labels))
    assert np.all(np.abs(share - 0.2) < 0.006)


def test_scikit_learn_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        locate_digits()
