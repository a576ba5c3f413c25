"""What every kernel is held to: `unroll` is one of theirs."""

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


def assert_spreads_as_in_scan(unroll, sizes: Sizes, place: str, value: float) -> None:
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
        np.testing.assert_allclose(found[finite], right[finite], rtol=1e-5, atol=1e-6)


def assert_stands_still_without_steps(unroll, sizes: Sizes) -> None:
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    (final, states), gradients = differentiate(unroll, arguments, *weights, return_states=True)
    np.testing.assert_array_equal(final, arguments[7])
    assert states.shape == (0, sizes.batch, sizes.units)
    np.testing.assert_array_equal(gradients[-1], weights[0])
    for gradient in gradients[:-1]:
        assert not np.any(gradient)
