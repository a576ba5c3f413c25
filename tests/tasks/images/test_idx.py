"""The IDX reader: right on right files, and one readable line on every kind of damage."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from asrnn.errors import DataError
from asrnn.tasks.images.idx import decode, size_limit
from tests.tasks.images.fakes import assert_same, fake_split, idx_images, idx_labels

SPLIT = fake_split((28, 28, 1), 12, 0)
IMAGES, LABELS = idx_images(SPLIT.images), idx_labels(SPLIT.labels)


def test_images_and_labels_are_read_in_order() -> None:
    assert_same(decode(IMAGES, LABELS, "images", "labels"), SPLIT)


def test_rows_come_before_columns() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[2, 5] = 9
    file = struct.pack(">4i", 2051, 1, 28, 28) + image.tobytes()
    found = decode(file, idx_labels(np.array([3])), "images", "labels")
    assert np.argwhere(found.images[0, :, :, 0]).tolist() == [[2, 5]]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (b"", LABELS, "images is damaged: a header of 16 bytes expected, found 0"),
        (IMAGES, LABELS[:7], "labels is damaged: a header of 8 bytes expected, found 7"),
        (LABELS + IMAGES, LABELS, r"images is not .* \(2051, 28, 28\) expected, found \(2049"),
        (IMAGES, IMAGES, r"labels is not .* \(2049,\) expected, found \(2051,\)"),
        (struct.pack(">4i", 2051, 12, 28, 27) + IMAGES[16:], LABELS, r"found \(2051, 28, 27\)"),
        (IMAGES[:-1], LABELS, "images is damaged: .* 9408 bytes expected after it, found 9407"),
        (IMAGES + b"\0", LABELS, "images is damaged: .* 9408 bytes expected after it, found 9409"),
        (IMAGES, LABELS[:-1], "labels is damaged: .* 12 bytes expected after it, found 11"),
        (struct.pack(">4i", 2051, -1, 28, 28), LABELS, "announces -1 items"),
        (struct.pack(">4i", 2051, 0, 28, 28), LABELS, "announces 0 items"),
        (IMAGES, idx_labels(SPLIT.labels[:-1]), "found 12 images and 11 labels"),
        (IMAGES, idx_labels(SPLIT.labels + 1), "labels is damaged: .* 0 to 9 expected, found 10"),
    ],
)
def test_damage_is_named_with_what_was_expected_and_found(
    images: bytes, labels: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        decode(images, labels, "images", "labels")
    assert "\n" not in str(caught.value) and "put " in str(caught.value)


def test_a_whole_original_file_is_within_its_limit() -> None:
    assert size_limit("train-images-idx3-ubyte.gz") == 47_040_016
    assert size_limit("t10k-images-idx3-ubyte") == 7_840_016
    assert size_limit("train-labels-idx1-ubyte.gz") == 60_008
    assert size_limit("t10k-labels-idx1-ubyte") == 10_008
