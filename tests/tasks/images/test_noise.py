"""Noise: standard normal, each example's own or the same for all, and jax's own numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.tasks.images.noise import fresh_noise, normal, shared_noise


def keys(count: int) -> jax.Array:
    return jax.random.split(jax.random.key(3), count)


def test_fresh_noise_is_standard_normal_and_other_for_each_example() -> None:
    noise = np.asarray(fresh_noise(keys(8), 1000, 15))
    assert noise.shape == (1000, 8, 15) and noise.dtype == np.float32
    assert abs(noise.mean()) < 4 / noise.size**0.5
    assert abs(noise.var() - 1) < 4 * (2 / noise.size) ** 0.5
    correlation = np.corrcoef(noise.transpose(1, 0, 2).reshape(8, -1)) - np.eye(8)
    assert np.abs(correlation).max() < 5 / noise[:, 0].size ** 0.5


def test_fresh_noise_depends_on_the_key_of_the_example_only() -> None:
    together = fresh_noise(keys(6), 10, 15)
    swapped = fresh_noise(keys(6)[::-1], 10, 15)
    alone = fresh_noise(keys(6)[2:3], 10, 15)
    np.testing.assert_array_equal(together, swapped[:, ::-1])
    np.testing.assert_array_equal(together[:, 2:3], alone)


def test_shared_noise_is_the_same_for_every_example() -> None:
    noise = np.random.default_rng(0).standard_normal((7, 15)).astype(np.float32)
    steps = shared_noise(noise, 6)
    assert steps.shape == (7, 6, 15) and steps.dtype == jnp.float32
    for example in range(6):
        np.testing.assert_array_equal(steps[:, example], noise)


@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (968, 96)], ids=str)
def test_numbers_are_those_of_jax(shape: tuple[int, ...]) -> None:
    (key,) = keys(1)
    np.testing.assert_array_equal(
        jax.jit(normal, static_argnums=1)(key, shape), jax.random.normal(key, shape)
    )


@pytest.mark.parametrize("size", [1, 5])
def test_noise_of_keys_is_that_of_jax(size: int) -> None:
    expected = [jax.random.normal(key, (10, size)) for key in keys(4)]
    np.testing.assert_array_equal(fresh_noise(keys(4), 10, size), jnp.stack(expected, axis=1))


def test_keys_of_another_kind_have_jax_s_numbers_too() -> None:
    key = jax.random.key(0, impl="rbg")
    np.testing.assert_array_equal(normal(key, (5, 3)), jax.random.normal(key, (5, 3)))
    with jax.threefry_partitionable(False):
        key = jax.random.key(1)
        np.testing.assert_array_equal(normal(key, (5, 3)), jax.random.normal(key, (5, 3)))
