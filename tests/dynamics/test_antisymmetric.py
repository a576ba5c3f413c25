"""What follows from the antisymmetry (paper, sections 3 and 4)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import (
    CELLS,
    Coefficients,
    antisymmetric_matrix,
    make_cell,
    packed_triangle,
    recurrent_matrix,
)
from asrnn.dynamics.initializers import INIT_SCALE
from tests.dynamics.reference import sigmoid, skew

ANTISYMMETRIC = ("antisymmetric", "gated_antisymmetric")
RECURRENT = (
    *("recurrent_triangle", "recurrent_kernel"),
    *("linear_kernel", "velocity_kernel", "memory_kernel"),
)
"""Parameters that are drawn with the variance σ_w²/n."""
SIZES = [(1, 0), (2, 1), (7, 2), (8, 3)]
"""(hidden size, seed): odd and even."""


def draw(name, n, seed=0, *, m=3):
    """Parameters, of which none is zero, a state and an input."""
    rng = np.random.default_rng(seed)
    shapes = {
        "recurrent_triangle": (n * (n - 1) // 2,),
        "recurrent_kernel": (n, n),
        "input_kernel": (m, n),
        "bias": (n,),
    }
    del shapes["recurrent_triangle" if name == "ablation" else "recurrent_kernel"]
    if name != "antisymmetric":
        shapes |= {"gate_input_kernel": (m, n), "gate_bias": (n,)}
    params = {key: jnp.asarray(0.6 * rng.standard_normal(shape)) for key, shape in shapes.items()}
    return params, jnp.asarray(rng.standard_normal(n)), jnp.asarray(rng.standard_normal(m))


def field_of(name, params, diffusion, x):
    """The vector field at input x as a function of one state `[n]`."""
    field = CELLS[name].field(params, Coefficients(diffusion=diffusion))
    return jax.jit(lambda h: field(h[None], x[None])[0])


@jax.jit
def jacobian(params, diffusion, h, x):
    """∂f/∂h of eq. 12, which is eq. 8 where γ = 0."""
    field = CELLS["antisymmetric"].field(params, Coefficients(diffusion=diffusion))
    return jax.jacfwd(lambda h: field(h[None], x[None])[0])(h)


@pytest.mark.parametrize(("n", "seed"), SIZES)
def test_the_matrix_is_exactly_antisymmetric(n, seed):
    triangle = np.float32(np.random.default_rng(seed).standard_normal(n * (n - 1) // 2))
    matrix = np.asarray(antisymmetric_matrix(jnp.asarray(triangle), n))
    assert matrix.shape == (n, n)
    np.testing.assert_array_equal(matrix + matrix.T, 0)
    np.testing.assert_array_equal(np.diag(matrix), 0)


@pytest.mark.parametrize(("n", "seed"), SIZES)
def test_the_triangle_is_the_upper_one_of_w_row_by_row(n, seed):
    triangle = np.float32(np.random.default_rng(seed).standard_normal(n * (n - 1) // 2))
    matrix = antisymmetric_matrix(jnp.asarray(triangle), n)
    np.testing.assert_array_equal(matrix, skew(triangle, n))
    np.testing.assert_array_equal(packed_triangle(matrix), triangle)


def test_only_the_strict_upper_triangle_of_a_square_is_packed():
    square = jnp.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(packed_triangle(square), [1, 2, 3, 6, 7, 11])


@pytest.mark.parametrize(("n", "seed"), [(2, 0), (7, 1), (8, 2)])
def test_the_jacobian_of_equation_8_has_an_imaginary_spectrum(x64, n, seed):
    params, h, x = draw("antisymmetric", n, seed)
    eigenvalues = np.linalg.eigvals(jacobian(params, 0.0, h, x))
    assert np.abs(eigenvalues.imag).max() > 0.01
    assert np.abs(eigenvalues.real).max() < 1e-14 * n
    if n % 2:
        assert np.abs(eigenvalues).min() < 1e-13  # an odd antisymmetric matrix is singular


@pytest.mark.parametrize(("n", "seed", "diffusion"), [(7, 0, 2.0), (8, 1, 0.01), (12, 2, 0.3)])
def test_diffusion_shifts_the_spectrum_within_its_bounds(x64, n, seed, diffusion):
    params, h, x = draw("antisymmetric", n, seed)
    drive = skew(params["recurrent_triangle"], n) @ np.asarray(h) - diffusion * np.asarray(h)
    slopes = np.cosh(drive + np.asarray(x @ params["input_kernel"] + params["bias"])) ** -2
    real = np.linalg.eigvals(jacobian(params, diffusion, h, x)).real
    assert -diffusion * slopes.max() - 1e-12 <= real.min()
    assert real.max() <= -diffusion * slopes.min() + 1e-12


@pytest.mark.parametrize(("name", "diffusion"), [*zip(ANTISYMMETRIC, (0.01, 1.0), strict=True)])
def test_diffusion_changes_the_diagonal_of_the_matrix_and_nothing_else(name, diffusion):
    params, _, _ = draw(name, 6)
    change = np.asarray(recurrent_matrix(params, diffusion)) - recurrent_matrix(params, 0.0)
    np.testing.assert_array_equal(change, -np.float32(diffusion) * np.eye(6, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "diffusion"),
    [("antisymmetric", 10.0), ("gated_antisymmetric", 1.0), ("ablation", 0.0)],
)
def test_a_cell_without_bias_and_input_stays_at_rest_for_any_diffusion(name, diffusion):
    cell, (params, _, _) = make_cell(name), draw(name, 6)
    params["bias"] = jnp.zeros(6)
    step = cell.prepare(params, Coefficients(0.5, diffusion))
    rest = cell.initial_carry(params, 2)
    jax.tree.map(np.testing.assert_array_equal, step(rest, jnp.zeros((2, 3))), rest)


def test_the_pre_activation_contains_minus_gamma_h(x64):
    params, h, x = draw("antisymmetric", 6)
    with_diffusion, without = (
        np.arctanh(field_of("antisymmetric", params, diffusion, x)(h)) for diffusion in (0.4, 0.0)
    )
    np.testing.assert_allclose(with_diffusion - without, -0.4 * h, atol=1e-12)


@pytest.mark.parametrize("name", ["gated_antisymmetric", "ablation"])
def test_gate_and_candidate_share_the_matrix_and_its_diffusion(x64, name):
    diffusion = 0.4
    params, h, x = draw(name, 6)
    w = params["recurrent_kernel"] if name == "ablation" else recurrent_matrix(params, 0.0)
    shared = np.asarray(w) @ np.asarray(h) - diffusion * np.asarray(h)
    gate = shared + np.asarray(params["gate_input_kernel"]).T @ x + params["gate_bias"]
    candidate = shared + np.asarray(params["input_kernel"]).T @ x + params["bias"]
    np.testing.assert_allclose(
        field_of(name, params, diffusion, x)(h), sigmoid(gate) * np.tanh(candidate), rtol=1e-12
    )


def test_a_wide_open_gate_turns_equation_13_into_equation_12(x64):
    params, h, x = draw("gated_antisymmetric", 6)
    opened = params | {"gate_bias": jnp.full(6, 60.0)}
    np.testing.assert_allclose(
        field_of("gated_antisymmetric", opened, 0.1, x)(h),
        field_of("antisymmetric", params, 0.1, x)(h),
        rtol=1e-14,
    )


def test_a_shut_gate_freezes_the_state():
    cell = make_cell("gated_antisymmetric")
    params, h, x = draw("gated_antisymmetric", 6)
    shut = params | {"gate_bias": jnp.full(6, -200.0)}
    step = cell.prepare(shut, Coefficients(1.0, 0.1))
    np.testing.assert_array_equal(step(h[None], x[None]), h[None])


@pytest.mark.parametrize("name", sorted(CELLS))
def test_kernels_are_drawn_with_the_variances_of_the_paper(key, name):
    # m = 96: with m = 1 variance and standard deviation of N(0, 1/m) coincide.
    n, m, init_scale = 200, 96, 2.0
    cell = make_cell(name)
    scaled = INIT_SCALE in cell.options
    params = cell.init(key, m, n, **({"init_scale": init_scale} if scaled else {}))
    of_init_scale = [key for key in RECURRENT if scaled]
    expected = {
        **dict.fromkeys(of_init_scale, init_scale / np.sqrt(n)),
        "input_kernel": 1 / np.sqrt(m),
        "gate_input_kernel": 1 / np.sqrt(m),
    }
    for kernel in params.keys() & expected.keys():
        draws = np.asarray(params[kernel])
        assert np.std(draws) == pytest.approx(expected[kernel], rel=0.02), kernel
        assert abs(np.mean(draws)) < 4 * expected[kernel] / np.sqrt(draws.size), kernel


@pytest.mark.parametrize("name", sorted(CELLS))
def test_kernels_are_drawn_independently(key, name):
    params = CELLS[name].init(key, 96, 200)
    draws = [np.ravel(value) for kernel, value in params.items() if not kernel.endswith("bias")]
    size = min(map(len, draws))
    correlations = np.corrcoef([draw[:size] for draw in draws]) - np.eye(len(draws))
    assert np.abs(correlations).max() < 5 / np.sqrt(size)


@pytest.mark.parametrize("init_scale", [1.0, 4.0])
def test_the_spectral_radius_at_the_start_is_about_twice_the_init_scale(key, init_scale):
    params = CELLS["antisymmetric"].init(key, 96, 200, init_scale=init_scale)
    # A full W instead of a triangular one would give 2√2.
    radius = np.abs(np.linalg.eigvalsh(1j * np.asarray(recurrent_matrix(params, 0.0)))).max()
    assert 1.85 < radius / init_scale < 2.05


def test_init_scale_0_starts_from_a_zero_matrix(key):
    params = CELLS["antisymmetric"].init(key, 1, 4, init_scale=0.0)
    np.testing.assert_array_equal(params["recurrent_triangle"], 0)


def hamiltonian(params, x):
    """H(h) = Σ log cosh(S h + V x + b), conserved by eq. 8 for a constant x."""
    matrix = recurrent_matrix(params, 0.0)
    projected = params["input_kernel"].T @ x + params["bias"]

    def value(h, diffusion=0.0):
        u = matrix @ h - diffusion * h + projected
        return jnp.sum(jnp.logaddexp(u, -u) - jnp.log(2.0))

    return value


@pytest.mark.parametrize("diffusion", [0.0, 0.3])
def test_the_field_changes_h_by_minus_gamma_times_its_squared_norm(x64, diffusion):
    params, h, x = draw("antisymmetric", 7)
    energy = hamiltonian(params, x)
    velocity = field_of("antisymmetric", params, diffusion, x)(h)
    _, change = jax.jvp(lambda h: energy(h, diffusion), (h,), (velocity,))
    np.testing.assert_allclose(change, -diffusion * jnp.sum(velocity**2), atol=1e-13)


@pytest.mark.parametrize(
    ("scheme", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("rk4", 4)]
)
def test_the_drift_of_h_falls_with_the_order_of_the_discretization(x64, scheme, order):
    params, h, x = draw("antisymmetric", 7)
    energy, cell = hamiltonian(params, x), make_cell("antisymmetric", scheme)

    @jax.jit
    def drift(steps):
        step = cell.prepare(params, Coefficients(2.0 / steps, 0.0))

        def advance(_, carry):
            state, largest = carry
            state = step(state, x[None])
            return state, jnp.maximum(largest, jnp.abs(energy(state[0]) - energy(h)))

        return jax.lax.fori_loop(0, steps, advance, (h[None], 0.0))[1]

    coarse, fine = drift(100), drift(200)
    assert fine > 1e-12, "at rounding level nothing is measured"
    assert np.log2(coarse / fine) > order - 0.1


@pytest.mark.parametrize("scheme", ["euler", "midpoint", "heun", "rk4"])
def test_diffusion_makes_h_decrease_at_every_step(x64, scheme):
    diffusion = 0.5
    params, h, x = draw("antisymmetric", 7)
    energy, cell = hamiltonian(params, x), make_cell("antisymmetric", scheme)
    step = cell.prepare(params, Coefficients(0.02, diffusion))

    def body(h, _):
        h = step(h, x[None])
        return h, energy(h[0], diffusion)

    _, energies = jax.lax.scan(body, h[None], length=300)
    assert np.all(np.diff(np.concatenate([[energy(h, diffusion)], energies])) < 0)
