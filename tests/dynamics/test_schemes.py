"""Discretisations: their orders, and the stability of the paper's one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asrnn.dynamics import CELLS, SCHEMES, Coefficients, make_cell
from asrnn.errors import ConfigError
from tests.dynamics.reference import STAGES, M, N, field, random_params

ORDERS = {name: scheme.order for name, scheme in SCHEMES.items()}


def test_every_discretization_has_its_order_tested_here():
    assert ORDERS.keys() == SCHEMES.keys()


@pytest.mark.parametrize("name", ["antisymmetric", "gated_antisymmetric", "ablation"])
@pytest.mark.parametrize("scheme", ORDERS)
def test_the_error_over_a_fixed_time_falls_with_the_order(x64, name, scheme):
    # With a gate too: one that were frozen over the step would leave order 1.
    params, diffusion = random_params(name), 0.3
    rng = np.random.default_rng(3)
    start, x = rng.standard_normal(N), rng.standard_normal(M)
    exact = solve_ivp(
        lambda t, h: field(name, params, diffusion, h, x),
        (0, 1),
        start,
        method="DOP853",
        rtol=1e-13,
        atol=1e-14,
    ).y[:, -1]
    cell = make_cell(name, scheme)

    @jax.jit
    def end(steps):
        step = cell.prepare(jax.tree.map(jnp.asarray, params), Coefficients(1 / steps, diffusion))
        return jax.lax.fori_loop(0, steps, lambda _, h: step(h, x[None]), start[None])[0]

    coarse, fine = (np.abs(end(steps) - exact).max() for steps in (24, 48))
    assert fine > 1e-12, "at rounding level nothing is measured"
    assert np.log2(coarse / fine) == pytest.approx(ORDERS[scheme], abs=0.12)


@pytest.mark.parametrize(
    ("scheme", "growth"),
    [
        ("euler", [1, 1]),
        ("midpoint", [1, 1, 1 / 2]),
        ("heun", [1, 1, 1 / 2]),
        ("rk4", [1, 1, 1 / 2, 1 / 6, 1 / 24]),
    ],
)
def test_a_linear_field_grows_by_the_truncated_exponential(x64, scheme, growth):
    rate, step_size = np.array([[-0.3, -1.7], [1.7, -0.3]]), 0.4
    step = SCHEMES[scheme].step(lambda h, x: h @ rate.T, step_size)
    powers = (np.linalg.matrix_power(step_size * rate, k) for k in range(len(growth)))
    expected = sum(c * power for c, power in zip(growth, powers, strict=True))
    matrix = step(jnp.eye(2), jnp.zeros((2, 1))).T
    np.testing.assert_allclose(matrix, expected, rtol=1e-13)


@pytest.mark.parametrize("scheme", ORDERS)
def test_the_input_is_held_over_the_step(x64, scheme):
    seen = []

    def record(h, x):
        seen.append(x)
        return -h

    x = jnp.ones((1, 1))
    SCHEMES[scheme].step(record, 0.1)(jnp.ones((1, 1)), x)
    assert len(seen) == STAGES[scheme]
    assert all(given is x for given in seen)


def spectral_radius_at_rest(omega, diffusion, step_size):
    """Of the Jacobian at h = 0 of one Euler step with S = [[0, -ω], [ω, 0]]."""
    params = CELLS["antisymmetric"].init(jax.random.key(0), 1, 2, init_scale=1.0)
    params["recurrent_triangle"] = jnp.array([-omega])
    step = make_cell("antisymmetric").prepare(params, Coefficients(step_size, diffusion))
    jacobian = jax.jacfwd(lambda h: step(h[None], jnp.zeros((1, 1)))[0])(jnp.zeros(2))
    return np.abs(np.linalg.eigvals(jacobian)).max()


@pytest.mark.parametrize(("omega", "diffusion"), [(2.0, 0.15), (0.5, 1.0), (8.0, 0.01)])
def test_euler_is_stable_up_to_its_limit_and_not_beyond(x64, omega, diffusion):
    limit = 2 * diffusion / (diffusion**2 + omega**2)
    assert spectral_radius_at_rest(omega, diffusion, 0.99 * limit) < 1
    assert spectral_radius_at_rest(omega, diffusion, limit) == pytest.approx(1, abs=1e-14)
    assert spectral_radius_at_rest(omega, diffusion, 1.01 * limit) > 1


@pytest.mark.parametrize("step_size", [1e-3, 0.1, 1.0])
def test_euler_without_diffusion_is_never_stable(x64, step_size):
    growth = spectral_radius_at_rest(2.0, 0.0, step_size)
    assert growth == pytest.approx(np.hypot(1, 2 * step_size), rel=1e-14)


def test_figure_1h_of_the_paper_violates_proposition_2_at_the_origin(x64):
    assert spectral_radius_at_rest(2.0, 0.15, 0.1) == pytest.approx(1.0051, abs=5e-5)


def test_an_unknown_discretization_is_refused_with_the_names_and_the_nearest():
    with pytest.raises(ConfigError, match=r"euler, midpoint, heun, rk4; found 'rk5'; .* 'rk4'\?"):
        make_cell("antisymmetric", "rk5")
