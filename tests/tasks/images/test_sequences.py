"""Sequences: every pixel lands in the step and the place that the task says."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.tasks.images import sequences
from tests.tasks.images.fakes import fake_split

IMAGES = fake_split((4, 5, 3), 6, 0).images
# One rounding: XLA may multiply by 1/255 where NumPy divides.
ULP = 2e-7


def keys(count: int) -> jax.Array:
    return jax.random.split(jax.random.key(3), count)


def unit(steps: jax.Array) -> jax.Array:
    return sequences.scaled(steps)


def test_pixels_come_in_scanline_order() -> None:
    steps = np.asarray(jax.jit(sequences.pixels)(IMAGES))
    assert steps.shape == (20, 6, 3) and steps.dtype == np.uint8
    for t in range(20):
        np.testing.assert_array_equal(steps[t], IMAGES[:, t // 5, t % 5, :])


def test_black_is_0_and_white_is_1() -> None:
    images = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    assert jax.jit(unit)(sequences.pixels(images)).ravel().tolist() == [0.0, 1.0]


def test_a_unit_is_the_255th_part() -> None:
    steps = np.asarray(jax.jit(unit)(sequences.pixels(IMAGES)))
    assert steps.dtype == np.float32
    expected = np.asarray(sequences.pixels(IMAGES)) / np.float32(255)
    np.testing.assert_allclose(steps, expected, rtol=ULP)


def test_standardized_pixels_have_the_mean_and_deviation_of_their_channel_taken_out() -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    steps = np.asarray(sequences.scaled(sequences.rows(jnp.asarray(IMAGES)), mean, std))
    for t in range(4):
        for w in range(5):
            for c in range(3):
                expected = (IMAGES[:, t, w, c] / 255 - mean[c]) / std[c]
                np.testing.assert_allclose(steps[t, :, 3 * w + c], expected, atol=1e-6)


def test_pooled_pixels_are_the_means_of_squares() -> None:
    images = fake_split((4, 6, 3), 5, 0).images
    pooled = np.asarray(sequences.pooled(jnp.asarray(images), 2))
    assert pooled.shape == (5, 2, 3, 3) and pooled.dtype == np.float32
    for h in range(2):
        for w in range(3):
            square = images[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2]
            np.testing.assert_allclose(pooled[:, h, w], square.mean((1, 2)), rtol=1e-6)


def test_pooling_by_one_leaves_the_images_as_they_are() -> None:
    images = jnp.asarray(IMAGES)
    assert sequences.pooled(images, 1) is images


def test_permuted_pixels_show_pixel_permutation_t_at_step_t() -> None:
    order = np.random.default_rng(0).permutation(20).astype(np.int32)
    steps = np.asarray(jax.jit(sequences.permuted_pixels)(IMAGES, order))
    scanline = np.asarray(sequences.pixels(jnp.asarray(IMAGES)))
    np.testing.assert_array_equal(steps, scanline[order])


def test_a_permutation_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="permutation of 20 pixels expected"):
        sequences.permuted_pixels(jnp.asarray(IMAGES), np.arange(19))


def test_a_row_has_its_channels_innermost() -> None:
    steps = np.asarray(jax.jit(sequences.rows)(IMAGES))
    assert steps.shape == (4, 6, 15)
    for t in range(4):
        for w in range(5):
            for c in range(3):
                np.testing.assert_array_equal(steps[t, :, 3 * w + c], IMAGES[:, t, w, c])


def test_a_flipped_image_is_the_image_or_its_mirror() -> None:
    images = np.tile(IMAGES[:1], (40, 1, 1, 1))
    found = np.asarray(sequences.augmented(images, keys(40), flip=True, reach=0))
    mirrored = [np.array_equal(image, images[0][:, ::-1]) for image in found]
    assert all(
        same or np.array_equal(image, images[0])
        for same, image in zip(mirrored, found, strict=True)
    )
    assert 10 < sum(mirrored) < 30


def test_a_shifted_image_is_moved_and_zeros_come_in() -> None:
    images = np.ones((60, 4, 5, 3), np.uint8)
    found = np.asarray(sequences.augmented(images, keys(60), flip=False, reach=1))
    assert found.shape == images.shape and found.dtype == np.uint8
    places = set()
    for image in found:
        rows, columns = image.any((1, 2)), image.any((0, 2))
        np.testing.assert_array_equal(image[..., 0], np.outer(rows, columns))
        places.add((tuple(rows), tuple(columns)))
    assert len(places) == 9  # up, down, neither; left, right, neither


def test_what_an_image_becomes_depends_on_its_own_key_only() -> None:
    images = np.tile(IMAGES[:1], (6, 1, 1, 1))
    together = sequences.augmented(images, keys(6), flip=True, reach=1)
    alone = sequences.augmented(images[:1], keys(6)[4:5], flip=True, reach=1)
    np.testing.assert_array_equal(together[4:5], alone)
