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


def test_pixels_come_in_scanline_order() -> None:
    steps = np.asarray(jax.jit(sequences.pixels)(IMAGES))
    assert steps.shape == (20, 6, 3) and steps.dtype == np.float32
    for t in range(20):
        np.testing.assert_allclose(
            steps[t], IMAGES[:, t // 5, t % 5, :] / np.float32(255), rtol=ULP
        )


def test_black_is_0_and_white_is_1() -> None:
    images = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    assert jax.jit(sequences.pixels)(images).ravel().tolist() == [0.0, 1.0]


def test_permuted_pixels_show_pixel_permutation_t_at_step_t() -> None:
    order = np.random.default_rng(0).permutation(20).astype(np.int32)
    steps = np.asarray(jax.jit(sequences.permuted_pixels)(IMAGES, order))
    scanline = np.asarray(sequences.pixels(jnp.asarray(IMAGES)))
    np.testing.assert_allclose(steps, scanline[order], rtol=ULP)


def test_a_permutation_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="permutation of 20 pixels expected"):
        sequences.permuted_pixels(jnp.asarray(IMAGES), np.arange(19))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_pooling_takes_the_mean_over_squares(size: int) -> None:
    images = fake_split((4, 8, 3), 6, 0).images
    found = np.asarray(jax.jit(sequences.pooled, static_argnums=1)(images, size))
    assert found.shape == (6, 4 // size, 8 // size, 3) and found.dtype == np.float32
    for i in range(4 // size):
        for j in range(8 // size):
            square = images[:, size * i : size * (i + 1), size * j : size * (j + 1)]
            expected = square.astype(np.float64).mean((1, 2)) / 255
            np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-6)


def test_standardized_pixels_have_mean_0_and_deviation_1_where_the_constants_are_theirs() -> None:
    scaled = IMAGES / 255.0
    mean, std = scaled.mean((0, 1, 2)), scaled.std((0, 1, 2))
    found = np.asarray(sequences.standardized(jnp.asarray(IMAGES), tuple(mean), tuple(std)))
    np.testing.assert_allclose(found.mean((0, 1, 2)), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(found.std((0, 1, 2)), np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(found, (scaled - mean) / std, rtol=1e-5, atol=1e-6)


def test_a_row_has_its_channels_innermost() -> None:
    steps = np.asarray(jax.jit(sequences.rows)(IMAGES))
    assert steps.shape == (4, 6, 15)
    for t in range(4):
        for w in range(5):
            for c in range(3):
                expected = IMAGES[:, t, w, c] / np.float32(255)
                np.testing.assert_allclose(steps[t, :, 3 * w + c], expected, rtol=ULP)


def test_fresh_noise_follows_the_rows() -> None:
    steps = sequences.rows_with_fresh_noise(jnp.asarray(IMAGES), keys(6), 50)
    assert steps.shape == (50, 6, 15) and steps.dtype == jnp.float32
    np.testing.assert_array_equal(steps[:4], sequences.rows(jnp.asarray(IMAGES)))


def test_fresh_noise_is_standard_normal_and_other_for_each_example() -> None:
    images = jnp.zeros((8, 4, 5, 3), jnp.uint8)
    noise = np.asarray(sequences.rows_with_fresh_noise(images, keys(8), 1004))[4:]
    assert abs(noise.mean()) < 4 / noise.size**0.5
    assert abs(noise.var() - 1) < 4 * (2 / noise.size) ** 0.5
    correlation = np.corrcoef(noise.transpose(1, 0, 2).reshape(8, -1)) - np.eye(8)
    assert np.abs(correlation).max() < 5 / noise[:, 0].size ** 0.5


def test_fresh_noise_depends_on_the_key_of_the_example_only() -> None:
    images = jnp.asarray(IMAGES)
    together = sequences.rows_with_fresh_noise(images, keys(6), 10)
    swapped = sequences.rows_with_fresh_noise(images[::-1], keys(6)[::-1], 10)
    alone = sequences.rows_with_fresh_noise(images[2:3], keys(6)[2:3], 10)
    np.testing.assert_array_equal(together, swapped[:, ::-1])
    np.testing.assert_array_equal(together[:, 2:3], alone)


def test_fixed_noise_is_the_same_for_every_example() -> None:
    noise = np.random.default_rng(0).standard_normal((7, 15)).astype(np.float32)
    steps = sequences.rows_with_fixed_noise(jnp.asarray(IMAGES), noise)
    assert steps.shape == (11, 6, 15) and steps.dtype == jnp.float32
    np.testing.assert_array_equal(steps[:4], sequences.rows(jnp.asarray(IMAGES)))
    for example in range(6):
        np.testing.assert_array_equal(steps[4:, example], noise)
