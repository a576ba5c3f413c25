"""Jacobians of steps, against finite differences and against what the theory says of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from asrnn.dynamics import Coefficients, antisymmetric_matrix, make_cell
from asrnn.dynamics.stability import absolute_eigenvalues, end_to_end_jacobians, step_jacobian
from tests.dynamics.reference import OTHERS

pytestmark = pytest.mark.usefixtures("x64")

M = 3


def network(name: str, n: int, *, step_size: float = 0.1, diffusion: float = 0.2) -> Any:
    """A step, a state away from zero, twelve inputs, and the parameters."""
    cell = make_cell(name)
    keys = jax.random.split(jax.random.key(n), 3)
    params = cell.init(keys[0], M, n)
    flat, unravel = ravel_pytree(cell.initial_carry(params, 1))
    carry = unravel(jax.random.normal(keys[1], flat.shape))
    inputs = jax.random.normal(keys[2], (12, 1, M))
    coefficients = Coefficients(step_size, diffusion, **OTHERS)
    return cell.prepare(params, coefficients), carry, inputs, params


def differences(step: Any, carry: Any, inputs: jax.Array, delta: float = 1e-6) -> np.ndarray:
    """∂h_T/∂h_0 by central differences."""
    flat, unravel = ravel_pytree(carry)

    @jax.jit
    @jax.vmap
    def end(h: jax.Array) -> jax.Array:
        last, _ = jax.lax.scan(lambda carry, x: (step(carry, x), None), unravel(h), inputs)
        return ravel_pytree(last)[0]

    shifts = delta * jnp.eye(flat.size)
    return np.asarray((end(flat[None] + shifts) - end(flat[None] - shifts)) / (2 * delta)).T


@pytest.mark.parametrize("name", ["gated_antisymmetric", "hamiltonian", "lstm"])
def test_the_jacobians_are_those_of_finite_differences(name: str) -> None:
    step, carry, inputs, _ = network(name, 6)
    found = end_to_end_jacobians(step, carry, inputs, every=6)
    assert (found.shape[0], found.dtype) == (2, np.float64)
    for steps, jacobian in zip([6, 12], found, strict=True):
        expected = differences(step, carry, inputs[:steps])
        np.testing.assert_allclose(jacobian, expected, rtol=0, atol=1e-8)


def test_an_end_to_end_jacobian_is_the_product_of_the_steps_later_ones_to_the_left() -> None:
    step, carry, inputs, _ = network("gated_antisymmetric", 6)
    (found,) = end_to_end_jacobians(step, carry, inputs, every=12)
    one = jax.jit(lambda carry, x: (step_jacobian(step, carry, x), step(carry, x)))
    product = np.eye(6)
    for x in inputs:
        jacobian, carry = one(carry, x)
        product = np.asarray(jacobian) @ product
    np.testing.assert_allclose(found, product, rtol=1e-12, atol=1e-14)


def field_jacobian(n: int, diffusion: float) -> tuple[np.ndarray, np.ndarray]:
    """J of eq. 12 by differentiation of an Euler step, and the entries of diag(tanh')."""
    step, h, inputs, params = network("antisymmetric", n, step_size=1.0, diffusion=diffusion)
    jacobian = np.asarray(step_jacobian(step, h, inputs[0])) - np.eye(n)
    matrix = antisymmetric_matrix(params["recurrent_triangle"], n) - diffusion * np.eye(n)
    slopes = 1 - np.tanh(h @ matrix.T + inputs[0] @ params["input_kernel"]) ** 2
    return jacobian, np.asarray(slopes[0])


@pytest.mark.parametrize("n", [5, 8])
def test_without_diffusion_the_spectrum_of_the_ode_is_imaginary(n: int) -> None:
    jacobian, _ = field_jacobian(n, 0.0)
    values = np.linalg.eigvals(jacobian)
    assert np.abs(values.real).max() < 1e-14
    assert np.abs(values).max() > 0.1
    assert (np.abs(values).min() < 1e-14) == (n % 2 == 1)


@pytest.mark.parametrize("n", [5, 8])
def test_diffusion_moves_it_to_the_left_by_at_most_itself(n: int) -> None:
    jacobian, slopes = field_jacobian(n, 0.3)
    real = np.linalg.eigvals(jacobian).real
    assert (real >= -0.3 * slopes.max() - 1e-12).all()
    assert (real <= -0.3 * slopes.min() + 1e-12).all()


@pytest.mark.parametrize(("factor", "stable"), [(0.999, True), (1.001, False)])
def test_euler_contracts_up_to_its_limit(factor: float, stable: bool) -> None:
    """At the origin, for -γ + iω: ε <= 2γ / (γ² + ω²)."""
    gamma, omega = 0.15, 2.0
    cell = make_cell("antisymmetric")
    params = {
        "recurrent_triangle": jnp.array([omega]),
        "input_kernel": jnp.zeros((1, 2)),
        "bias": jnp.zeros(2),
    }
    step_size = factor * 2 * gamma / (gamma**2 + omega**2)
    step = cell.prepare(params, Coefficients(step_size, gamma))
    jacobian = step_jacobian(step, jnp.zeros((1, 2)), jnp.zeros((1, 1)))
    assert (absolute_eigenvalues(jacobian)[0] < 1) == stable


def test_absolute_eigenvalues_are_sorted() -> None:
    matrix = jnp.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, -3.0]])
    np.testing.assert_allclose(absolute_eigenvalues(matrix), [3.0, 2.0, 2.0], rtol=1e-14)
