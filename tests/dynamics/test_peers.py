"""What is true of each cell of another paper alone: counts, parts, bounds, inverses."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from asrnn.dynamics import CELLS, Coefficients, MapCell, make_cell
from asrnn.dynamics.cells.lipschitz import constrained_matrix
from asrnn.dynamics.cells.orthogonal import cayley_transform, mod_relu
from asrnn.errors import ConfigError
from asrnn.models import RecurrentCell
from asrnn.recurrence import unroll
from tests.dynamics import reference
from tests.dynamics.reference import DIFFUSION, OTHERS, STEP_SIZE, M, N

COEFFICIENTS = Coefficients(STEP_SIZE, DIFFUSION, **OTHERS)
BATCH = 2
KEY = jax.eval_shape(lambda: jax.random.key(0))


def drawn(name: str) -> dict[str, jax.Array]:
    return jax.tree.map(jnp.asarray, reference.random_params(name))


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# ---- parameters


@pytest.mark.parametrize(("n", "m"), [(128, 1), (256, 3), (7, 96)])
def test_a_cell_has_the_number_of_parameters_of_its_paper(n: int, m: int) -> None:
    triangle = n * (n - 1) // 2
    for name, count in {
        "residual": n**2 + n * m + n,
        "lipschitz": 2 * n**2 + n * m + n,
        "gated_lipschitz": 2 * n**2 + 2 * (n * m + n),
        "cornn": 2 * n**2 + n * m + n,
        "unicornn": n * m + 3 * n,
        "lem": 4 * n**2 + 4 * n * m + 8 * n,
        "linear_antisymmetric": triangle + n * m + n,
        "cayley": triangle + n * m + n,
        "expm": triangle + n * m + n,
    }.items():
        params = jax.eval_shape(partial(CELLS[name].init, input_size=m, hidden_size=n), KEY)
        assert sum(leaf.size for leaf in params.values()) == count, name


# ---- fields in parts


@pytest.mark.parametrize("name", ["lipschitz", "linear_antisymmetric"])
def test_the_linear_part_and_the_remainder_are_the_field(x64: None, name: str) -> None:
    field: Any = CELLS[name].field(drawn(name), COEFFICIENTS)
    h, x = normal(BATCH, N), normal(BATCH, M, seed=4)
    parts = np.asarray(field.remainder(h, x)) + [field.linear_part() @ row for row in h]
    np.testing.assert_allclose(field(h, x), parts, rtol=1e-12, atol=1e-13)


def test_the_remainder_of_the_linear_cell_does_not_see_the_state(x64: None) -> None:
    field: Any = CELLS["linear_antisymmetric"].field(drawn("linear_antisymmetric"), COEFFICIENTS)
    x, S = normal(BATCH, M), np.asarray(field.linear_part())
    one, other = (field.remainder(normal(BATCH, N, seed=seed), x) for seed in (0, 1))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(S, -S.T)


@pytest.mark.parametrize("name", ["cornn", "unicornn"])
def test_the_two_rates_of_an_oscillator_are_its_field(x64: None, name: str) -> None:
    field: Any = CELLS[name].field(drawn(name), COEFFICIENTS)
    state, x = (normal(BATCH, N), normal(BATCH, N, seed=5)), normal(BATCH, M, seed=6)
    rates = field.position_rate(state, x), field.momentum_rate(state, x)
    jax.tree.map(np.testing.assert_array_equal, field(state, x), rates)


def test_the_gate_of_the_lipschitz_field_multiplies_its_linear_part_too() -> None:
    assert make_cell("lipschitz", "exponential_euler")
    with pytest.raises(ConfigError, match=r"linear form, which .*=gated_lipschitz does not"):
        make_cell("gated_lipschitz", "exponential_euler")


# ---- Lipschitz


def test_beta_goes_from_symmetric_over_free_to_antisymmetric() -> None:
    free, identity = normal(5, 5), np.eye(5)
    for beta, expected in [(0.0, free + free.T), (0.5, free), (1.0, free - free.T)]:
        found = constrained_matrix(jnp.asarray(free), beta, 0.25)
        np.testing.assert_allclose(found, expected - 0.25 * identity, rtol=1e-6, atol=1e-6)


def test_beta_and_gamma_bound_the_real_parts(x64: None) -> None:
    free, beta, diffusion = normal(8, 8), 0.8, 0.3
    real = np.linalg.eigvals(constrained_matrix(jnp.asarray(free), beta, diffusion)).real
    symmetric = np.linalg.eigvalsh((1 - beta) * (free + free.T)) - diffusion
    assert symmetric[0] - 1e-12 <= real.min()
    assert real.max() <= symmetric[-1] + 1e-12


def test_a_wide_open_gate_leaves_the_plain_lipschitz_field(x64: None) -> None:
    params = drawn("gated_lipschitz")
    plain = {key: value for key, value in params.items() if not key.startswith("gate")}
    opened = params | {"gate_bias": jnp.full(N, 60.0)}
    h, x = normal(BATCH, N), normal(BATCH, M, seed=4)
    np.testing.assert_allclose(
        CELLS["gated_lipschitz"].field(opened, COEFFICIENTS)(h, x),
        CELLS["lipschitz"].field(plain, COEFFICIENTS)(h, x),
        rtol=1e-12,
        atol=1e-13,
    )


def test_a_frozen_gate_is_that_of_where_it_was_frozen(x64: None) -> None:
    field: Any = CELLS["gated_lipschitz"].field(drawn("gated_lipschitz"), COEFFICIENTS)
    h, elsewhere, x = normal(BATCH, N), normal(BATCH, N, seed=5), normal(BATCH, M, seed=4)
    frozen = field.frozen(h, x)
    np.testing.assert_array_equal(frozen(h, x), field(h, x))
    _, gate = field.nonlinear.candidate_and_gate(h, x)
    _, there = field.nonlinear.candidate_and_gate(elsewhere, x)
    expected = field(elsewhere, x) / there * gate
    np.testing.assert_allclose(frozen(elsewhere, x), expected, rtol=1e-12, atol=1e-13)
    assert make_cell("gated_lipschitz", "rk4", gate_stages="frozen")


def test_beta_is_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match=r"model.beta must be in \[0, 1\], found 1.5"):
        RecurrentCell("lipschitz", M, N, beta=1.5, rngs=nnx.Rngs(0))


# ---- oscillators


@pytest.mark.parametrize("name", ["cornn", "unicornn"])
def test_the_published_update_is_symplectic_euler(x64: None, name: str) -> None:
    p, eps = reference.random_params(name), STEP_SIZE
    cell = make_cell(name, "symplectic_euler")
    y, z, x = normal(N), normal(N, seed=5), normal(M, seed=6)
    found = cell.prepare(drawn(name), COEFFICIENTS)((y[None], z[None]), x[None])
    drive = p["input_kernel"].T @ x + p["bias"]
    if name == "cornn":
        force = np.tanh(p["recurrent_kernel"] @ y + p["velocity_kernel"] @ z + drive)
        new_z = z + eps * (force - OTHERS["stiffness"] * y - OTHERS["damping"] * z)
        new_y = y + eps * new_z
    else:
        scale = reference.sigmoid(p["time_scale"])
        force = np.tanh(p["recurrent_diagonal"] * y + drive) + OTHERS["stiffness"] * y
        new_z = z - eps * scale * force
        new_y = y + eps * scale * new_z
    np.testing.assert_allclose(found, [new_y[None], new_z[None]], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["cornn", "unicornn"])
def test_oscillators_learn_through_the_published_update(x64: None, name: str) -> None:
    cell = make_cell(name, "symplectic_euler")
    inputs = jnp.asarray(reference.random_sequence(5, BATCH))

    @jax.jit
    def loss(params: Any) -> jax.Array:
        return jnp.sum(jnp.sin(unroll(cell, params, COEFFICIENTS, inputs)[0][0]))

    check_grads(loss, (drawn(name),), order=1, modes=["rev"])


def test_a_step_of_unicornn_can_be_inverted(x64: None) -> None:
    field: Any = CELLS["unicornn"].field(drawn("unicornn"), COEFFICIENTS)
    step = make_cell("unicornn", "symplectic_euler").prepare(drawn("unicornn"), COEFFICIENTS)
    xs = jnp.asarray(reference.random_sequence(300, BATCH))
    start = normal(BATCH, N), normal(BATCH, N, seed=5)
    y, z = jax.lax.scan(lambda state, x: (step(state, x), None), start, xs)[0]

    def undone(state: Any, x: jax.Array) -> Any:
        y, z = state
        y = y - STEP_SIZE * field.position_rate((y, z), x)
        return (y, z - STEP_SIZE * field.momentum_rate((y, z), x)), None

    y, z = jax.lax.scan(undone, (y, z), xs[::-1])[0]
    np.testing.assert_allclose((y, z), start, rtol=0, atol=1e-10)


def test_units_of_unicornn_do_not_act_on_each_other_within_a_layer() -> None:
    cell, params = make_cell("unicornn"), drawn("unicornn")
    step = cell.prepare(params, COEFFICIENTS)
    state = jnp.float32(normal(BATCH, N)), jnp.float32(normal(BATCH, N, seed=5))
    disturbed = state[0].at[:, 0].add(1.0), state[1]
    x = jnp.zeros((BATCH, M))
    for one, other in zip(step(state, x), step(disturbed, x), strict=True):
        np.testing.assert_array_equal(one[:, 1:], other[:, 1:])


def test_a_damped_oscillator_without_input_comes_to_rest() -> None:
    cell = make_cell("cornn", "symplectic_euler")
    params = {name: 0.1 * leaf for name, leaf in drawn("cornn").items()}
    params["bias"] = jnp.zeros(N)
    coefficients = Coefficients(0.1, stiffness=1.0, damping=1.0)
    start = (jnp.ones((BATCH, N)),) * 2
    (y, z), _ = unroll(cell, params, coefficients, jnp.zeros((1000, BATCH, M)), start)
    assert max(np.abs(y).max(), np.abs(z).max()) < 1e-6


# ---- LEM


def test_both_states_of_lem_stay_between_minus_1_and_1() -> None:
    cell = make_cell("lem")
    params = jax.tree.map(lambda leaf: 10 * leaf, drawn("lem"))
    inputs = jnp.float32(10 * reference.random_sequence(200, BATCH))
    (_, z), states = unroll(cell, params, Coefficients(1.0), inputs, return_states=True)
    assert states is not None
    assert max(np.abs(states).max(), np.abs(z).max()) <= 1
    assert np.abs(states).max() > 0.9


def test_shut_time_scales_freeze_lem() -> None:
    params = drawn("lem")
    params["bias"] = params["bias"].at[: 2 * N].set(-200.0)
    carry = jnp.float32(normal(BATCH, N)), jnp.float32(normal(BATCH, N, seed=5))
    after = make_cell("lem").prepare(params, COEFFICIENTS)(carry, jnp.ones((BATCH, M)))
    jax.tree.map(np.testing.assert_array_equal, after, carry)


# ---- orthogonal


def matrix_of(name: str, params: dict[str, jax.Array]) -> np.ndarray:
    cell = CELLS[name]
    assert isinstance(cell, MapCell)
    return np.asarray(cell.shared(params)["recurrent_matrix"])


@pytest.mark.parametrize("name", ["cayley", "expm"])
@pytest.mark.parametrize("n", [7, 8])
def test_the_matrix_is_a_rotation_whatever_the_entries(x64: None, name: str, n: int) -> None:
    for scale in (0.1, 1.0, 10.0):
        triangle = scale * normal(n * (n - 1) // 2)
        Q = matrix_of(name, {"recurrent_triangle": jnp.asarray(triangle), "bias": jnp.zeros(n)})
        np.testing.assert_allclose(Q @ Q.T, np.eye(n), atol=1e-11)
        assert np.linalg.det(Q) == pytest.approx(1)


@pytest.mark.parametrize("name", ["cayley", "expm"])
def test_the_matrix_is_computed_before_the_steps(name: str) -> None:
    cell, params = make_cell(name), drawn(name)
    step = cell.prepare(params, COEFFICIENTS)
    arguments = cell.initial_carry(params, BATCH), jnp.ones((BATCH, M))
    traced = str(jax.make_jaxpr(step)(*arguments))
    made = str(
        jax.make_jaxpr(lambda params: cell.prepare(params, COEFFICIENTS)(*arguments))(params)
    )
    assert "triangular_solve" in made
    assert "triangular_solve" not in traced


def test_what_steps_share_is_computed_once_per_sequence() -> None:
    calls = []

    def shared(params: Any) -> Any:
        calls.append(1)
        return params | {"offset": 2 * params["bias"]}

    def step(params: Any, coefficients: Any, carry: Any, x: jax.Array) -> Any:
        return (carry[0] + params["offset"][None],)

    cell = MapCell(
        CELLS["cayley"].init, step, "made up", (), shared=shared, initial_state=ones_like_bias
    )
    params = {"bias": jnp.ones(N)}
    advance, carry = cell.prepare(params, {}), cell.initial_carry(params, BATCH)
    for _ in range(3):
        carry = advance(carry, jnp.zeros((BATCH, M)))
    assert len(calls) == 1
    np.testing.assert_array_equal(carry[0], 1 + 3 * 2 * np.ones((BATCH, N)))


def ones_like_bias(params: Any, batch_size: int) -> jax.Array:
    return jnp.ones((batch_size, *params["bias"].shape))


def test_the_cayley_transform_of_a_plane_is_a_rotation_by_twice_the_arctangent() -> None:
    Q = cayley_transform(jnp.array([[0.0, 0.5], [-0.5, 0.0]]))
    angle = 2 * np.arctan(0.5)
    expected = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    np.testing.assert_allclose(Q, expected, rtol=1e-6)


def test_the_exponential_starts_as_rotations_of_planes_by_up_to_one_radian(key: jax.Array) -> None:
    params = CELLS["expm"].init(key, 1, 101)
    angles = np.abs(np.angle(np.linalg.eigvals(matrix_of("expm", params))))
    assert angles.max() <= 1.0
    assert angles.max() > 0.9
    assert (np.asarray(params["recurrent_triangle"]) != 0).sum() == 50


def test_mod_relu_keeps_the_sign_and_has_a_dead_zone() -> None:
    a, bias = jnp.array([[-3.0, -0.4, 0.4, 3.0]]), jnp.array([-0.5, -0.5, -0.5, 1.0])
    np.testing.assert_allclose(mod_relu(a, bias), [[-2.5, 0.0, 0.0, 4.0]])


@pytest.mark.parametrize("name", ["cayley", "expm"])
def test_an_orthogonal_cell_of_half_precision_has_states_of_it(name: str) -> None:
    cell = RecurrentCell(name, M, N, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    after, output = cell(cell.initialize_carry((BATCH, M)), jnp.ones((BATCH, M), jnp.bfloat16))
    for leaf in jax.tree.leaves((cell.arrays(), after, output)):
        assert leaf.dtype == jnp.bfloat16
