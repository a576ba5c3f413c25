"""Products of thousands of Jacobians: exact where a float can hold them, and right beyond."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import Coefficients, make_cell
from asrnn.dynamics.graded_svd import log_singular_values
from asrnn.dynamics.stability import (
    end_to_end_jacobians,
    end_to_end_product,
    over_examples,
    step_eigenvalues,
    step_jacobians,
)
from tests.dynamics.reference import OTHERS

pytestmark = pytest.mark.usefixtures("x64")

M = 3


def linear(matrix: np.ndarray) -> Any:
    """h -> A h."""
    return lambda h, x: h @ jnp.asarray(matrix).T


def still(steps: int) -> jax.Array:
    return jnp.zeros((steps, 1))


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def orthogonal(seed: int, size: int) -> np.ndarray:
    return np.linalg.qr(np.random.RandomState(seed).standard_normal((size, size)))[0]


def network(name: str, n: int, steps: int, batch: int = 1) -> Any:
    cell = make_cell(name)
    keys = jax.random.split(jax.random.key(n), 2)
    params = cell.init(keys[0], M, n)
    inputs = jax.random.normal(keys[1], (steps, batch, M))
    carry = cell.initial_carry(params, batch)
    return cell.prepare(params, Coefficients(0.1, 0.2, **OTHERS)), carry, inputs


@pytest.mark.parametrize(
    ("name", "every"), [("gated_antisymmetric", 4), ("lstm", 1), ("lstm", 100)]
)
def test_a_product_is_the_jacobian_that_a_float_can_hold(name: str, every: int) -> None:
    step, carry, inputs = network(name, 6, 14)
    jacobians = jax.jit(partial(end_to_end_jacobians, step, every=14))
    expected = np.asarray(jacobians(carry, inputs)[-1])
    product = jax.jit(partial(end_to_end_product, step, every=every))(carry, inputs)
    np.testing.assert_allclose(product.matrix(), expected, rtol=0, atol=1e-13)
    q, rows = np.asarray(product.left), np.asarray(product.right)
    np.testing.assert_allclose(q.T @ q, np.eye(len(q)), atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-13)
    sizes = np.linalg.svd(expected, compute_uv=False)
    kept = sizes > 1e-10 * sizes[0]
    found = np.exp(product.log_singular_values())
    np.testing.assert_allclose(found[kept], sizes[kept], rtol=1e-4)
    np.testing.assert_allclose(found[0], sizes[0], rtol=1e-12)
    values = np.sort(np.abs(np.linalg.eigvals(expected)))[::-1]
    found = np.exp(product.log_eigenvalues().real)
    np.testing.assert_allclose(found[0], values[0], rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_product_neither_overflows_nor_underflows(scale: float) -> None:
    """A = Q D Qᵀ, so that σ_i = |λ_i| = d_i^T: up to 10^±3000 and 1,000 orders apart."""
    diagonal = scale * np.array([3.0, 2.0, 1.5, 0.5, 0.3])
    q = orthogonal(0, 5)
    step = linear(q @ np.diag(diagonal) @ q.T)
    product = end_to_end_product(step, jnp.zeros(5), still(1000), every=1)
    expected = 1000 * np.log(diagonal)
    np.testing.assert_allclose(product.log_singular_values(), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(product.log_eigenvalues()[:2].real, expected[:2], atol=1e-9)


def test_the_eigenvalues_of_a_product_have_their_angles() -> None:
    step = linear(1e5 * rotation(0.7))
    product = end_to_end_product(step, jnp.zeros(2), still(200))
    found = product.log_eigenvalues()
    np.testing.assert_allclose(found.real, 200 * np.log(1e5), rtol=1e-12)
    expected = np.angle(np.exp(1j * 200 * 0.7))
    np.testing.assert_allclose(sorted(found.imag), sorted([expected, -expected]), atol=1e-10)


def test_a_product_that_is_not_normal_grows_before_it_shrinks() -> None:
    """[[a, 1], [0, a]]^T = a^T [[1, T/a], [0, 1]]: σ_1 σ_2 = a^2T, and both |λ| = a^T."""
    a, steps = 0.99, 60
    product = end_to_end_product(linear(np.array([[a, 1.0], [0.0, a]])), jnp.zeros(2), still(steps))
    sheared = np.array([[1.0, steps / a], [0.0, 1.0]])
    expected = steps * np.log(a) + np.log(np.linalg.svd(sheared, compute_uv=False))
    np.testing.assert_allclose(product.log_singular_values(), expected, atol=1e-11)
    assert expected[0] > np.log(30)
    # A double eigenvalue is only good to the root of the rounding.
    np.testing.assert_allclose(product.log_eigenvalues().real, steps * np.log(a), atol=1e-5)


def test_the_order_of_the_axes_does_not_matter() -> None:
    """Directions that grow most come last in the state: without sorting R would blow up."""
    diagonal = np.array([0.01, 1.0, 100.0])
    coupled = np.diag(diagonal) + np.triu(np.ones((3, 3)), 1)
    product = end_to_end_product(linear(coupled), jnp.zeros(3), still(400), every=1)
    expected = 400 * np.log(diagonal[::-1])
    # diag^T times constants: the eigenvectors of a fixed matrix
    found = np.asarray(product.log_singular_values())
    assert np.abs(found - expected).max() < 1
    assert found.sum() == pytest.approx(expected.sum(), abs=1e-9)
    assert np.abs(product.right).max() <= 1 + 1e-12


def test_a_direction_that_is_lost_has_a_singular_value_of_zero() -> None:
    product = end_to_end_product(linear(np.diag([2.0, 0.0, 1.0])), jnp.zeros(3), still(30))
    np.testing.assert_allclose(
        product.log_singular_values(), [30 * np.log(2), 0.0, -np.inf], atol=1e-12
    )
    nothing = end_to_end_product(linear(np.zeros((3, 3))), jnp.zeros(3), still(30))
    assert np.isneginf(nothing.log_singular_values()).all()
    assert np.isneginf(nothing.log_eigenvalues().real).all()


@pytest.mark.parametrize(("number", "width"), [(1, 1), (6, 6), (7, 7), (8, 11)])
def test_singular_values_of_a_matrix_are_those_of_numpy(number: int, width: int) -> None:
    rows = np.random.RandomState(number).standard_normal((number, width))
    logs = np.linspace(-2, 2, number)
    expected = np.linalg.svd(np.exp(logs)[:, None] * rows, compute_uv=False)
    found = log_singular_values(jnp.asarray(logs), jnp.asarray(rows))
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-12)


def test_singular_values_far_apart_are_all_accurate() -> None:
    """diag(d) R with d_1 >> d_2 >> ...: σ_k -> d_k times the part of row k across those before."""
    rows = np.random.RandomState(1).standard_normal((6, 6))
    logs = -1000.0 * np.arange(6)
    across = np.abs(np.diagonal(np.linalg.qr(rows.T)[1]))
    found = log_singular_values(jnp.asarray(logs), jnp.asarray(rows))
    np.testing.assert_allclose(found, logs + np.log(across), rtol=0, atol=1e-12)


def test_equal_rows_leave_one_singular_value() -> None:
    found = log_singular_values(jnp.zeros(2), jnp.ones((2, 4)))
    assert found[0] == pytest.approx(0.5 * np.log(8))
    assert np.exp(found[1]) < 1e-15


def test_jacobians_along_a_trajectory_are_those_of_its_states() -> None:
    """h -> h² has the derivative 2 h, and h_t = h_0^(2^t)."""
    found = step_jacobians(lambda h, x: h**2, jnp.array([0.9]), still(7), every=3)
    np.testing.assert_allclose(found[:, 0, 0], 2 * 0.9 ** (2.0 ** np.array([0, 3, 6])), rtol=1e-12)


def test_eigenvalues_along_a_trajectory_of_a_linear_field_are_those_of_euler() -> None:
    matrix = np.random.RandomState(3).standard_normal((4, 4))
    found = step_eigenvalues(linear(np.eye(4) + 0.1 * matrix), jnp.zeros(4), still(5))
    assert found.shape == (5, 4)
    expected = np.sort_complex(1 + 0.1 * np.linalg.eigvals(matrix))
    for values in found:
        np.testing.assert_allclose(np.sort_complex(values), expected, rtol=1e-12)


def test_eigenvalues_of_single_steps_tell_nothing_of_their_product() -> None:
    """|λ| = √½ at every step, and yet the product grows: Proposition 2 is about a constant J."""
    ahead = np.array([[0.0, 2.0], [0.25, 0.0]])

    def step(h: jax.Array, x: jax.Array) -> jax.Array:
        return h @ jnp.where(x[0] > 0, ahead, ahead.T).T

    inputs = jnp.tile(jnp.array([[1.0], [0.0]]), (50, 1))
    np.testing.assert_allclose(np.abs(step_eigenvalues(step, jnp.zeros(2), inputs)), 0.5**0.5)
    found = end_to_end_product(step, jnp.zeros(2), inputs).log_singular_values()
    np.testing.assert_allclose(found, [50 * np.log(4), -50 * np.log(16)], rtol=1e-12)


def test_each_example_of_a_batch_has_its_own_product() -> None:
    step, carry, inputs = network("lstm", 4, 9, batch=3)
    one = jax.jit(partial(end_to_end_product, step))
    product = jax.jit(partial(over_examples, partial(end_to_end_product, step)))(carry, inputs)
    product, carry, inputs = jax.tree.map(np.asarray, (product, carry, inputs))
    for i in range(3):
        own = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], carry)
        alone = one(own, inputs[:, i : i + 1])
        mine = jax.tree.map(lambda leaf, i=i: leaf[i], product)
        np.testing.assert_allclose(mine.matrix(), alone.matrix(), atol=1e-13)
