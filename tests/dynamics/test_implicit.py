"""Schemes that solve an equation in each step, and those that take a matrix function."""

import logging
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.linalg import expm

from asrnn.dynamics import SCHEMES, Coefficients, make_cell
from asrnn.dynamics.schemes.semilinear import phi_functions
from asrnn.recurrence import kernels, unroll
from tests.dynamics import fields
from tests.dynamics.fields import IMPLICIT, INPUT, M, N, step_of

SEMILINEAR = [name for name, scheme in SCHEMES.items() if scheme.needs == "linear"]


def test_phi_functions_are_their_series(x64):
    matrix = np.asarray(fields.antisymmetric().recurrent_matrix)
    exponential, phi1, phi2 = phi_functions(jnp.asarray(matrix), 2)
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(exponential, expm(matrix), atol=1e-13)
    np.testing.assert_allclose(phi1, inverse @ (expm(matrix) - np.eye(N)), atol=1e-12)
    np.testing.assert_allclose(phi2, inverse @ (phi1 - np.eye(N)), atol=1e-12)


@pytest.mark.parametrize("name", SEMILINEAR)
def test_the_linear_part_of_a_semilinear_scheme_is_orthogonal_whatever_the_step(x64, name):
    still = fields.semilinear()
    zero = jax.tree.map(jnp.zeros_like, still.nonlinear)
    step = step_of(name, still._replace(nonlinear=zero), 50.0)
    h = jnp.eye(N)
    moved = step(h, jnp.zeros((N, M)))
    np.testing.assert_allclose(moved @ moved.T, np.eye(N), atol=1e-10)


@pytest.mark.parametrize("name", ["etd2rk", "strang"])
def test_gradients_reach_the_matrix_of_the_linear_part(x64, name):
    plain = fields.semilinear()

    @jax.jit
    def loss(linear, step_size):
        step = step_of(name, plain._replace(linear=linear), step_size)
        return jnp.sin(step(step(fields.start("linear"), INPUT), INPUT)).sum()

    check_grads(loss, (plain.linear, 0.3), order=1, modes=["rev"])


@pytest.mark.parametrize(
    ("name", "solver"),
    [
        ("implicit_midpoint", "newton"),
        ("trapezoid", "fixed_point"),
    ],
)
def test_the_gradient_of_an_implicit_step_is_that_of_its_solution(x64, name, solver):
    def loss(field, step_size, state, x):
        step = step_of(name, field, step_size, solver=solver)
        carry = SCHEMES[name].start(state)
        for _ in range(3):
            carry = step(carry, x)
        return jnp.sin(SCHEMES[name].state(carry)).sum()

    arguments = (fields.gated(), 0.2, fields.start("field"), jnp.asarray(INPUT))
    check_grads(jax.jit(loss), arguments, order=1, modes=["rev"])


@pytest.mark.parametrize("name", IMPLICIT)
def test_newton_and_the_fixed_point_find_the_same(x64, name):
    field, state = fields.antisymmetric(), fields.start("field")
    one, other = (
        step_of(name, field, 0.2, solver=solver)(SCHEMES[name].start(state), INPUT)
        for solver in ("fixed_point", "newton")
    )
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
    assert one[1] == other[1] == 0


@pytest.mark.parametrize("name", IMPLICIT)
def test_newton_solves_a_step_that_the_fixed_point_cannot_and_failures_are_counted(x64, name):
    field, carry = fields.antisymmetric(), SCHEMES[name].start(fields.start("field"))
    assert step_of(name, field, 4.0)((carry[0], jnp.int32(2)), INPUT)[1] == 3
    solved, failures = step_of(name, field, 4.0, solver="newton")(carry, INPUT)
    assert failures == 0
    assert np.isfinite(solved).all()


def test_a_state_that_is_not_finite_counts_as_not_solved(x64):
    carry = SCHEMES["trapezoid"].start(jnp.full((1, N), jnp.nan))
    _, failures = step_of("trapezoid", fields.antisymmetric(), 0.1)(carry, INPUT)
    assert failures == 1


def test_a_recurrence_says_once_that_steps_were_not_solved(caplog):
    kernels._say_once.cache_clear()
    cell = make_cell("antisymmetric", "implicit_midpoint")
    params = cell.init(jax.random.key(0), 1, 8, init_scale=5.0)
    run = jax.jit(partial(unroll, cell))
    with caplog.at_level(logging.WARNING, logger="asrnn"):
        run(params, Coefficients(0.001, 0.0), jnp.ones((3, 2, 1)))
        jax.effects_barrier()
        assert not caplog.records
        for _ in range(2):
            run(params, Coefficients(50.0, 0.0), jnp.ones((3, 2, 1)))
            jax.effects_barrier()
    assert [record.message for record in caplog.records] == [
        "implicit_midpoint could not solve the equations of some steps: lower model.step_size,"
        " raise model.max_iterations, or choose model.solver=newton"
    ]
