"""Lyapunov exponents and gradients through time, against closed forms."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import SCHEMES, Coefficients, make_cell
from asrnn.dynamics.stability import (
    end_to_end_product,
    gradient_norms,
    largest_lyapunov_exponent,
    lyapunov_exponents,
    norms,
    over_examples,
)
from tests.dynamics.test_long_products import linear, network, orthogonal, rotation, still

pytestmark = pytest.mark.usefixtures("x64")


def test_the_exponents_of_a_linear_field_are_those_of_its_eigenvalues() -> None:
    """Euler's map I + εA: log|1 + ελ_i|, but for what the start of the frame leaves, O(1/T)."""
    real = np.array([0.5, 0.1, -0.4, -0.9])
    vectors = np.random.RandomState(0).standard_normal((4, 4))
    matrix = vectors @ np.diag(real) @ np.linalg.inv(vectors)
    step = SCHEMES["euler"].step(lambda h, x: h @ jnp.asarray(matrix).T, 0.1)
    expected = np.log(1 + 0.1 * real)
    found = {
        steps: lyapunov_exponents(step, jnp.zeros(4), still(steps), every=3)
        for steps in (500, 5000)
    }
    errors = {steps: np.abs(found[steps] - expected).max() for steps in found}
    assert errors[5000] < 2e-3
    assert errors[500] == pytest.approx(10 * errors[5000], rel=0.05)
    assert float(found[500].sum()) == pytest.approx(expected.sum(), abs=1e-12)
    two = lyapunov_exponents(step, jnp.zeros(4), still(500), count=2)
    np.testing.assert_allclose(two, found[500][:2], rtol=1e-6)
    one = largest_lyapunov_exponent(step, jnp.zeros(4), still(5000))
    assert float(one) == pytest.approx(expected[0], abs=1e-3)


@pytest.mark.parametrize(("step_size", "omega"), [(0.01, 2.0), (1.0, 3.0)])
def test_euler_grows_on_the_imaginary_axis_by_its_factor(step_size: float, omega: float) -> None:
    """√(1 + ε²ω²) a step in every direction, whatever γ = 0 promises of the ODE."""
    cell = make_cell("antisymmetric")
    params = {
        "recurrent_triangle": jnp.array([omega]),
        "input_kernel": jnp.zeros((1, 2)),
        "bias": jnp.zeros(2),
    }
    step, carry = cell.prepare(params, Coefficients(step_size, 0.0)), jnp.zeros((1, 2))
    inputs, growth = jnp.zeros((300, 1, 1)), 0.5 * np.log1p((step_size * omega) ** 2)
    np.testing.assert_allclose(lyapunov_exponents(step, carry, inputs), growth, rtol=1e-12)
    one = largest_lyapunov_exponent(step, carry, inputs)
    np.testing.assert_allclose(one, growth, rtol=1e-12)
    product = end_to_end_product(step, carry, inputs)
    np.testing.assert_allclose(product.log_singular_values(), 300 * growth, rtol=1e-12)


@pytest.mark.slow
def test_all_exponents_of_an_orthogonal_map_are_zero() -> None:
    step = linear(orthogonal(2, 7))
    np.testing.assert_allclose(lyapunov_exponents(step, jnp.zeros(7), still(400)), 0, atol=1e-14)
    assert abs(largest_lyapunov_exponent(step, jnp.zeros(7), still(400))) < 1e-14
    product = end_to_end_product(step, jnp.zeros(7), still(400))
    np.testing.assert_allclose(product.log_singular_values(), 0, atol=1e-12)
    np.testing.assert_allclose(product.log_eigenvalues().real, 0, atol=1e-12)


def test_the_exponent_of_a_scalar_map_is_the_mean_of_its_log_slopes() -> None:
    """The logistic map h -> 4 h (1 - h) has log 2, and at finite T the mean of log|4 - 8 h|."""

    def step(h: jax.Array, x: jax.Array) -> jax.Array:
        return 4 * h * (1 - h)

    h, slopes = 0.3, []
    for _ in range(2000):
        slopes.append(np.log(abs(4 - 8 * h)))
        h = 4 * h * (1 - h)
    start = jnp.array([0.3])
    for found in (
        lyapunov_exponents(step, start, still(2000)),
        largest_lyapunov_exponent(step, start, still(2000)),
    ):
        # Chaos: the last digits of two computations part after some fifty steps.
        assert float(jnp.squeeze(found)) == pytest.approx(np.log(2), abs=0.02)
    few = float(largest_lyapunov_exponent(step, start, still(20)))
    assert few == pytest.approx(np.mean(slopes[:20]), rel=1e-9)


def test_a_lost_direction_has_the_exponent_minus_infinity_and_no_nan() -> None:
    step = linear(np.zeros((2, 2)))
    assert np.isneginf(lyapunov_exponents(step, jnp.zeros(2), still(5))).all()
    assert np.isneginf(largest_lyapunov_exponent(step, jnp.zeros(2), still(5)))


@pytest.mark.parametrize("name", ["cornn", "lstm"])
def test_the_exponents_of_a_cell_add_up_to_the_log_of_its_determinant(name: str) -> None:
    step, carry, inputs = network(name, 4, 30)
    found = jax.jit(partial(lyapunov_exponents, step, every=1))(carry, inputs)
    product = jax.jit(partial(end_to_end_product, step, every=1))(carry, inputs)
    expected = float(product.log_singular_values().sum()) / 30
    assert float(found.sum()) == pytest.approx(expected, rel=1e-9)
    largest = float(product.log_singular_values()[0]) / 30
    one = float(jax.jit(partial(largest_lyapunov_exponent, step))(carry, inputs))
    assert largest - 0.2 < one <= largest


@pytest.mark.slow
def test_a_tanh_network_forgets_and_an_antisymmetric_one_does_not() -> None:
    exponents = {}
    for name in ("antisymmetric", "vanilla"):
        step, carry, inputs = network(name, 12, 200)
        exponent = jax.jit(partial(largest_lyapunov_exponent, step))
        exponents[name] = float(exponent(carry, inputs))
    assert abs(exponents["antisymmetric"]) < 0.02
    assert exponents["vanilla"] < -0.1


@pytest.mark.slow
def test_each_example_of_a_batch_has_its_own_exponents() -> None:
    step, carry, inputs = network("gated_antisymmetric", 4, 20, batch=3)
    for function in (lyapunov_exponents, largest_lyapunov_exponent):
        found = jax.jit(partial(over_examples, partial(function, step)))(carry, inputs)
        one = jax.jit(partial(function, step))
        for i in range(3):
            alone = one(carry[i : i + 1], inputs[:, i : i + 1])
            np.testing.assert_allclose(found[i], alone, rtol=1e-10)


# ---- gradients through time


def last_state(carries: Any) -> jax.Array:
    return jnp.sum(carries[-1])


def test_gradients_of_a_linear_map_fall_and_rise_with_its_powers() -> None:
    """With the loss Σ h_T, ∂loss/∂h_t = (Aᵀ)^(T-t) 1, of size a^(T-t) √2 for a rotation times a."""
    step, carry = linear(0.9 * rotation(0.4)), jnp.zeros((3, 2))
    found = gradient_norms(step, carry, jnp.zeros((25, 3, 1)), last_state)
    expected = np.sqrt(2) * 0.9 ** np.arange(24, -1, -1.0)
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 3, 1), rtol=1e-12)


def test_every_way_to_the_loss_counts() -> None:
    """With the loss Σ_t h_t of h -> a h, ∂loss/∂h_t = Σ_k a^k for k = 0 ... T - t."""
    found = gradient_norms(
        lambda h, x: 0.5 * h, jnp.ones((1, 1)), jnp.zeros((8, 1, 1)), lambda carries: carries.sum()
    )
    np.testing.assert_allclose(found[:, 0], 2 - 0.5 ** np.arange(7, -1, -1.0), rtol=1e-12)


def test_gradients_of_a_cell_are_those_of_finite_differences() -> None:
    step, carry, inputs = network("lstm", 3, 6)
    found = gradient_norms(step, carry, inputs, lambda carries: jnp.sum(carries[0][-1] ** 2))
    for x in inputs[:2]:
        carry = step(carry, x)

    @jax.jit
    def loss(h: Any, c: Any) -> jax.Array:
        state = h, c
        for x in inputs[2:]:
            state = step(state, x)
        return jnp.sum(state[0] ** 2)

    square, delta = 0.0, 1e-5
    for i in range(3):
        nudge = delta * jnp.eye(3)[i][None]
        h, c = carry
        square += ((loss(h + nudge, c) - loss(h - nudge, c)).item() / (2 * delta)) ** 2
        square += ((loss(h, c + nudge) - loss(h, c - nudge)).item() / (2 * delta)) ** 2
    assert float(found[1, 0]) == pytest.approx(np.sqrt(square), rel=1e-6)


def test_a_norm_is_there_as_long_as_its_entries_are() -> None:
    with jax.enable_x64(False):
        small = jnp.full((1, 1, 4), 1e-30, jnp.float32)
        np.testing.assert_allclose(norms([small, small]), np.sqrt(8) * 1e-30, rtol=1e-6)
        assert float(norms([0 * small])[0, 0]) == 0.0
