"""Discretisations: order, stability on the imaginary axis, what they conserve and refuse."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from asrnn.dynamics import CELLS, SCHEMES, Coefficients, make_cell
from asrnn.dynamics.stability import step_jacobian
from asrnn.errors import ConfigError
from asrnn.recurrence import unroll
from tests.dynamics import fields
from tests.dynamics.fields import EXACT, IMPLICIT, INPUT, M, N, flat, step_of

every_scheme = pytest.mark.parametrize("name", SCHEMES)
ONE_OF_EACH_FAMILY = (
    *(
        "euler",
        "rk4",
        "ab2",
        "implicit_midpoint",
        "leapfrog",
        "exponential_euler",
        "backward_euler",
    ),
)
"""Schemes for what depends on how a step is made, not on its coefficients."""


def end(name, field, step_size, steps, state=None, x=INPUT):
    """The state after some steps with one input, flat."""
    scheme = SCHEMES[name]
    step = step_of(name, field, step_size)
    carry = scheme.start(fields.start(scheme.needs) if state is None else state)
    carry = jax.lax.fori_loop(0, steps, lambda _, carry: step(carry, x), carry)
    return flat(scheme.state(carry))[0]


def field_for(name):
    needs = SCHEMES[name].needs
    return {"linear": fields.semilinear, "split": fields.split}.get(needs, fields.antisymmetric)()


def exact_end(field, state, x, time=1.0):
    """The solution after some time, by a method of order 8; x may be a function of time."""
    structure = jax.tree.structure(state)

    @jax.jit
    def rate(h, x):
        pieces = jnp.split(h[None], structure.num_leaves, axis=-1)
        return flat(field(jax.tree.unflatten(structure, pieces), x))[0]

    given = x if callable(x) else lambda t: x
    return solve_ivp(
        lambda t, h: rate(h, given(t)),
        (0, time),
        np.asarray(flat(state)[0]),
        method="DOP853",
        rtol=1e-13,
        atol=1e-14,
    ).y[:, -1]


@cache
def end_of_time_one(needs):
    """The solution at t = 1 of the field for schemes with a need."""
    name = next(name for name, scheme in SCHEMES.items() if scheme.needs == needs)
    return exact_end(field_for(name), fields.start(needs), INPUT)


def measured_order(error, coarse=24):
    """log2 of how much an error falls when the steps are halved."""
    before, after = error(coarse), error(2 * coarse)
    assert after > 1e-12, "at rounding level nothing is measured"
    return np.log2(before / after)


@every_scheme
def test_the_error_over_a_fixed_time_falls_with_the_order(x64, name):
    field, exact = field_for(name), end_of_time_one(SCHEMES[name].needs)
    run = jax.jit(lambda steps: end(name, field, 1 / steps, steps))
    order = measured_order(lambda steps: np.abs(run(steps) - exact).max(), coarse=64)
    assert order == pytest.approx(SCHEMES[name].order, abs=0.1)


@cache
def gated_end():
    return exact_end(fields.gated(), fields.start("field"), INPUT)


def gated_order(name, gate_stages):
    field, state, exact = fields.gated(), fields.start("field"), gated_end()
    values = EXACT if name in IMPLICIT else {}
    cell = make_cell("gated_antisymmetric", name, gate_stages=gate_stages, **values)

    @jax.jit
    def run(steps):
        step = cell._substepped(field, 1 / steps)
        carry = cell.scheme.start(state)
        carry = jax.lax.fori_loop(0, steps, lambda _, carry: step(carry, INPUT), carry)
        return cell.scheme.state(carry)[0]

    return measured_order(lambda steps: np.abs(run(steps) - exact).max())


@pytest.mark.parametrize("name", ["heun", "rk4", "implicit_midpoint"])
def test_a_gate_that_every_stage_evaluates_keeps_the_order_and_a_frozen_one_leaves_one(x64, name):
    assert gated_order(name, "each") == pytest.approx(SCHEMES[name].order, abs=0.15)
    assert gated_order(name, "frozen") == pytest.approx(1, abs=0.1)


def test_leapfrog_has_order_one_where_a_rate_depends_on_its_own_part(x64):
    field, state = fields.split(diffusion=0.5), fields.start("split")
    exact = exact_end(field, state, INPUT)
    run = jax.jit(lambda steps: end("leapfrog", field, 1 / steps, steps))
    order = measured_order(lambda steps: np.abs(run(steps) - exact).max(), coarse=64)
    assert order == pytest.approx(1, abs=0.1)


def growth(name, y):
    """|R(iy)|: what a step multiplies a mode by, from the theory of each scheme."""
    if name in ("midpoint", "heun"):
        return np.hypot(1 - y**2 / 2, y)
    if name == "ab2":
        return np.abs(np.roots([1, -1 - 1.5j * y, 0.5j * y])).max()
    return {
        "euler": np.hypot(1, y),
        "rk4": np.abs(1 + 1j * y - y**2 / 2 - 1j * y**3 / 6 + y**4 / 24),
        "backward_euler": 1 / np.hypot(1, y),
    }.get(name, 1.0)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_mode_of_the_imaginary_axis_grows_as_the_theory_says(x64, name):
    scheme, omega = SCHEMES[name], 2.0
    pair = (jnp.ones((1, 1)), jnp.ones((1, 1)))
    state = pair if scheme.needs == "split" else jnp.ones((1, 2))

    @jax.jit
    def jacobian(step_size):
        step = step_of(name, fields.Rotation(omega), step_size)
        # Of schemes with two steps, the first is another one.
        return step_jacobian(step, step(scheme.start(state), INPUT), INPUT)

    for y in (0.05, 0.4, 0.9):
        radius = np.abs(np.linalg.eigvals(jacobian(y / omega))).max()
        assert radius == pytest.approx(growth(name, y), rel=1e-7)


@pytest.mark.parametrize(("name", "limit"), [("symplectic_euler", 2), ("leapfrog", 2)])
def test_split_schemes_are_neutral_up_to_a_step_of_two_over_omega(x64, name, limit):
    pair = (jnp.ones((1, 1)), jnp.ones((1, 1)))

    @jax.jit
    def jacobian(y):
        return step_jacobian(step_of(name, fields.Rotation(1.0), y), pair, INPUT)

    def radius(y):
        return np.abs(np.linalg.eigvals(jacobian(y))).max()

    assert radius(0.999 * limit) == pytest.approx(1, abs=1e-12)
    assert radius(1.01 * limit) > 1.1


@partial(jax.jit, static_argnums=(0, 2))
def energies(name, step_size, steps):
    """H = Σ log cosh(u_i) along a solution without diffusion, u the argument of tanh."""
    scheme = SCHEMES[name]
    field = fields.split() if scheme.needs == "split" else fields.antisymmetric()
    step = step_of(name, field, step_size)

    def energy(state):
        if scheme.needs == "split":
            y, z = state
            K, half = field.coupling, N // 2
            coupled = jnp.concatenate([z @ K.T, -(y @ K)], -1)
            assert half == y.shape[-1]
        else:
            coupled = state @ field.recurrent_matrix.T
        return jnp.log(jnp.cosh(coupled + INPUT @ field.input_kernel + field.bias[None])).sum()

    def body(carry, _):
        carry = step(carry, INPUT)
        return carry, energy(scheme.state(carry))

    state = fields.start(scheme.needs)
    _, found = jax.lax.scan(body, scheme.start(state), None, length=steps)
    return found - energy(state)


@pytest.mark.parametrize("name", ["euler", "heun", "leapfrog"])
def test_the_energy_drifts_less_with_smaller_steps_as_the_order_says(x64, name):
    drift = {k: np.abs(energies(name, 0.8 / k, 2 * k)).max() for k in (32, 64)}
    assert np.log2(drift[32] / drift[64]) > SCHEMES[name].order - 0.15


@pytest.mark.parametrize("name", ["implicit_midpoint", "symplectic_euler", "leapfrog"])
def test_the_energy_of_a_symplectic_scheme_does_not_drift_in_10_000_steps(x64, name):
    found = np.abs(energies(name, 0.1, 10_000))
    assert found[-2000:].max() < 1.2 * found[:2000].max()


@pytest.mark.parametrize("name", ["euler", "midpoint", "ab2"])
def test_the_energy_of_an_explicit_scheme_does(x64, name):
    found = energies(name, 0.1, 10_000)
    assert found[-1] > 2 * np.abs(found[:2000]).max()


@pytest.mark.parametrize("name", ["symplectic_euler", "leapfrog"])
def test_a_split_scheme_is_symplectic(x64, name):
    """Jᵀ Ω J = Ω for the canonical Ω, where the field is that of a Hamiltonian."""
    field, half = fields.split()._replace(coupling=jnp.eye(N // 2)), N // 2
    carry = fields.start("split")
    J = np.asarray(step_jacobian(step_of(name, field, 0.7), carry, INPUT))
    omega = np.block(
        [[np.zeros((half, half)), np.eye(half)], [-np.eye(half), np.zeros((half, half))]]
    )
    np.testing.assert_allclose(J.T @ omega @ J, omega, atol=1e-13)


@pytest.mark.parametrize("name", ["euler", "midpoint", "heun", "rk4"])
def test_a_linear_field_grows_by_the_truncated_exponential(x64, name):
    rate, step_size = np.array([[-0.3, -1.7], [1.7, -0.3]]), 0.4
    step = SCHEMES[name].step(lambda h, x: h @ rate.T, step_size)
    factorials = [1, 1, 1 / 2, 1 / 6, 1 / 24][: SCHEMES[name].order + 1]
    powers = (np.linalg.matrix_power(step_size * rate, k) for k in range(5))
    expected = sum(c * power for c, power in zip(factorials, powers, strict=False))
    matrix = step(jnp.eye(2), jnp.zeros((2, 1))).T
    np.testing.assert_allclose(matrix, expected, rtol=1e-13)


@every_scheme
def test_it_evaluates_the_field_as_often_as_it_says_at_the_input_of_the_step(x64, name):
    scheme, seen = SCHEMES[name], []

    class Recorder:
        def __getattr__(self, part):
            if part == "linear_part":
                return lambda: -jnp.eye(2)

            def rate(h, x):
                seen.append(x)
                return -h[0] if isinstance(h, tuple) else -h

            return rate

        def __call__(self, h, x):
            seen.append(x)
            return -h

    x = jnp.ones((1, 1))
    state = (jnp.ones((1, 2)), jnp.ones((1, 2))) if scheme.needs == "split" else jnp.ones((1, 2))
    jax.eval_shape(lambda carry: step_of(name, Recorder(), 0.1)(carry, x), scheme.start(state))
    assert all(given is x for given in seen)
    calls = scheme.stages + 1 if scheme.needs == "split" else scheme.stages  # each for one half
    assert len(seen) == calls or (scheme.stages == 0 and seen)


@jax.jit
def jacobian_at_rest(omega, diffusion, step_size):
    """At h = 0, of one Euler step with S = [[0, -ω], [ω, 0]]."""
    params = {
        "recurrent_triangle": -omega[None],
        "input_kernel": jnp.zeros((1, 2)),
        "bias": jnp.zeros(2),
    }
    step = make_cell("antisymmetric").prepare(params, Coefficients(step_size, diffusion))
    return jax.jacfwd(lambda h: step(h[None], jnp.zeros((1, 1)))[0])(jnp.zeros(2))


def spectral_radius_at_rest(omega, diffusion, step_size):
    jacobian = jacobian_at_rest(np.float64(omega), diffusion, step_size)
    return np.abs(np.linalg.eigvals(jacobian)).max()


@pytest.mark.parametrize(("omega", "diffusion"), [(2.0, 0.15), (0.5, 1.0), (8.0, 0.01)])
def test_euler_is_stable_up_to_its_limit_and_not_beyond(x64, omega, diffusion):
    limit = 2 * diffusion / (diffusion**2 + omega**2)
    assert spectral_radius_at_rest(omega, diffusion, 0.99 * limit) < 1
    assert spectral_radius_at_rest(omega, diffusion, limit) == pytest.approx(1, abs=1e-14)
    assert spectral_radius_at_rest(omega, diffusion, 1.01 * limit) > 1


def test_figure_1h_of_the_paper_violates_proposition_2_at_the_origin(x64):
    assert spectral_radius_at_rest(2.0, 0.15, 0.1) == pytest.approx(1.0051, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("heun", "antisymmetric"), ("trapezoid", "ablation"), ("leapfrog", "hamiltonian")],
)
def test_substeps_are_shorter_steps_with_the_same_input(x64, name, cell):
    whole, single = make_cell(cell, name, substeps=3), make_cell(cell, name)

    @jax.jit
    def ends(key):
        params = whole.init(key, M, N)
        inputs = jax.random.normal(key, (4, 2, M))
        found, _ = unroll(whole, params, Coefficients(0.3, 0.1), inputs)
        repeated = jnp.repeat(inputs, 3, axis=0)
        return found, unroll(single, params, Coefficients(0.1, 0.1), repeated)[0]

    found, expected = ends(jax.random.key(0))
    np.testing.assert_allclose(whole.hidden(found), whole.hidden(expected), rtol=1e-12)


@cache
def driven_by_a_line():
    """A cell's parameters, the points of its input, and where the ODE along their line ends."""
    points = np.random.default_rng(0).standard_normal((3, 1, M))

    def line(t):
        return np.stack([np.interp(t, range(4), [0, *points[:, 0, i]]) for i in range(M)])[None]

    cell = make_cell("antisymmetric")
    params = cell.init(jax.random.key(0), M, N)
    field = cell.field(params, Coefficients(1.0, 0.1))
    return params, points, exact_end(field, jnp.zeros((1, N)), line, time=3.0)


@pytest.mark.parametrize("name", ["euler", "rk4", "implicit_midpoint"])
def test_a_linear_input_is_that_of_an_ode_driven_by_the_line_between_its_points(x64, name):
    params, points, exact = driven_by_a_line()

    def error(substeps):
        values = EXACT if name in IMPLICIT else {}
        cell = make_cell(
            "antisymmetric", name, input_interpolation="linear", substeps=substeps, **values
        )
        run = jax.jit(partial(unroll, cell))
        carry, _ = run(params, Coefficients(1.0, 0.1), points)
        return np.abs(cell.hidden(carry)[0] - exact).max()

    assert measured_order(error, coarse=16) == pytest.approx(SCHEMES[name].order, abs=0.15)


def test_a_linear_input_ends_where_the_held_one_is(x64):
    """Backward Euler asks for the field at the end of a step only."""
    params = CELLS["antisymmetric"].init(jax.random.key(0), M, N)
    inputs = jax.random.normal(jax.random.key(1), (4, 2, M))
    ends = []
    for interpolation in ("hold", "linear"):
        cell = make_cell(
            "antisymmetric", "backward_euler", input_interpolation=interpolation, **EXACT
        )
        run = jax.jit(partial(unroll, cell))
        ends.append(cell.hidden(run(params, Coefficients(0.3, 0.1), inputs)[0]))
    np.testing.assert_allclose(*ends, rtol=1e-11)


@pytest.mark.parametrize(
    ("scheme", "values", "complaint"),
    [
        ("rk5", {}, r"euler, midpoint, heun, rk4, .*; found 'rk5'; .* 'rk4'\?"),
        ("ab2", {"input_interpolation": "linear"}, "ab2 does not read 'input_interpolation'"),
        ("euler", {"gate_stages": "frozen"}, "euler does not read 'gate_stages'"),
        (
            "rk4",
            {"gate_stages": "frozen"},
            "needs a gate, .* gated_antisymmetric, .*ablation have",
        ),
        ("rk4", {"substeps": 0}, r"config.model.substeps must be in \[1, 2\^31\), found 0"),
        ("trapezoid", {"solver": "brent"}, "must be one of fixed_point, newton, found 'brent'"),
        ("leapfrog", {}, "needs a split form, .*; antisymmetric goes with euler, .* trapezoid"),
        ("strang", {}, "needs a linear form, which model.cell=antisymmetric does not have"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(scheme, values, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make_cell("antisymmetric", scheme, **values)
