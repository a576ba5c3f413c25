"""What every kernel is held to: `unroll` is one of theirs."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.recurrence.native.reference import (
    Sizes,
    as_jax,
    cotangents,
    differentiate,
    distance,
    forward64,
    gradients64,
    largest_error,
    random_arguments,
    scan,
)


def assert_close(found: Any, expected: Any, bound: float) -> None:
    """Norm-wise, leaf by leaf; a sum of large terms that is small by itself, as whole as they."""
    whole = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(expected)))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        error = np.linalg.norm(np.asarray(a, np.float64) - b)
        assert error <= bound * max(np.linalg.norm(b), whole / 100), (error, b.shape)


def assert_same_bits(found: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_not_finite_alike(arguments, place: int, value: float, *unrolls) -> None:
    """Results of two functions, with a value at one place of one argument."""
    arguments[place][(1,) * arguments[place].ndim] = value
    found, expected = (
        jax.jit(partial(unroll, return_states=True))(*as_jax(arguments)) for unroll in unrolls
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def assert_agrees_with_float64(unroll, sizes: Sizes, *, return_states: bool) -> None:
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, return_states)
    (final, states), gradients = differentiate(
        unroll, arguments, *weights, return_states=return_states
    )
    exact = forward64(arguments)
    assert distance(final, exact[-1]) < 1e-6
    if return_states:
        assert distance(states, exact[1:]) < 1e-6
    else:
        assert states is None
    assert all(gradient.dtype == jnp.float32 for gradient in gradients)
    assert largest_error(gradients, gradients64(arguments, *weights)) < 5e-6


def assert_agrees_over_a_long_sequence(unroll, sizes: Sizes) -> None:
    arguments = random_arguments(sizes, step_size=0.01)
    weights = cotangents(sizes, False)
    (final, _), gradients = differentiate(unroll, arguments, *weights, return_states=False)
    assert distance(final, forward64(arguments)[-1]) < 5e-6
    assert largest_error(gradients, gradients64(arguments, *weights)) < 2e-5


def assert_spreads_as_in_scan(
    unroll, sizes: Sizes, place: str, value: float, bound: float = 1e-5
) -> None:
    """What is not finite at one place: input, state or matrix."""
    arguments = random_arguments(sizes)
    index = {"input": 6, "state": 7, "matrix": 0}[place]
    arguments[index][(1,) * arguments[index].ndim] = value
    final, states = unroll(*as_jax(arguments), return_states=True)
    expected, expected_states = scan(*as_jax(arguments), return_states=True)
    for found, right in ((final, expected), (states, expected_states)):
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(right))
        np.testing.assert_array_equal(np.isnan(found), np.isnan(right))
        finite = np.isfinite(right)
        np.testing.assert_allclose(found[finite], right[finite], rtol=bound, atol=bound / 10)


def assert_stands_still_without_steps(unroll, sizes: Sizes) -> None:
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    (final, states), gradients = differentiate(unroll, arguments, *weights, return_states=True)
    np.testing.assert_array_equal(final, arguments[7])
    assert states.shape == (0, sizes.batch, sizes.units)
    np.testing.assert_array_equal(gradients[-1], weights[0])
    for gradient in gradients[:-1]:
        assert not np.any(gradient)
