"""What a cell, a field and a scheme owe each other, on some that the package does not have."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads
from scipy.integrate import solve_ivp

from asrnn.dynamics import CELLS, SCHEMES, Cell, Coefficients, MapCell, Scheme, make_cell
from asrnn.dynamics.stability import end_to_end_jacobians, step_jacobian
from asrnn.errors import ConfigError
from asrnn.models import RecurrentCell
from asrnn.options import COUNT, Option
from asrnn.recurrence import unroll
from asrnn.recurrence.kernels import choose_backend
from tests.dynamics import oscillator
from tests.dynamics.oscillator import DAMPING, OSCILLATOR, OscillatorField

M, N, BATCH = 3, 4, 2
KAPPA = 0.3


def symplectic_euler(field: OscillatorField, step_size: Any) -> Any:
    """z⁺ = z + ε z'(y, z), y⁺ = y + ε y'(y, z⁺)."""

    def step(state: Any, x: jax.Array) -> Any:
        y, z = state
        z = z + step_size * field.momentum_rate((y, z), x)
        return y + step_size * field.position_rate((y, z), x), z

    return step


def two_step(field: Any, step_size: Any) -> Any:
    """Adams-Bashforth: h⁺ = h + ε (3/2 f - 1/2 f of the step before), begun with one of Euler."""

    def step(carry: Any, x: jax.Array) -> Any:
        state, before, age = carry
        slope = field(state, x)

        def moved(h: jax.Array, now: jax.Array, before: jax.Array) -> jax.Array:
            slope: jax.Array = jnp.where(age == 0, now, 1.5 * now - 0.5 * before)
            return jnp.add(h, step_size * slope)

        return jax.tree.map(moved, state, slope, before), slope, age + 1

    return step


def repeated_euler(field: Any, step_size: Any, *, repeats: int) -> Any:
    euler = SCHEMES["euler"].step(field, step_size / repeats)

    def step(state: Any, x: jax.Array) -> Any:
        for _ in range(repeats):
            state = euler(state, x)
        return state

    return step


MADE_UP = {
    "symplectic": Scheme(symplectic_euler, 1, "made up", needs="split"),
    "two_step": Scheme(
        two_step,
        2,
        "made up",
        start=lambda state: (state, jax.tree.map(jnp.zeros_like, state), jnp.zeros((), jnp.int32)),
        state=lambda carry: carry[0],
    ),
    "repeated": Scheme(
        repeated_euler, 1, "made up", own_options=(Option("repeats", 2, "Euler steps", COUNT),)
    ),
    "factorising": Scheme(repeated_euler, 1, "made up", needs="linear"),
}


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables with a cell and four schemes more."""
    monkeypatch.setitem(CELLS, "oscillator", OSCILLATOR)
    for name, scheme in MADE_UP.items():
        monkeypatch.setitem(SCHEMES, name, scheme)


def problem(scheme: str, length: int = 6) -> tuple[Cell, Any, jax.Array, Any]:
    exact = {"tolerance": 1e-13, "max_iterations": 200} if SCHEMES[scheme].failures else {}
    cell = make_cell("oscillator", scheme, **exact)
    params = cell.init(jax.random.key(0), M, N)
    inputs = jax.random.normal(jax.random.key(1), (length, BATCH, M))
    return cell, params, inputs, cell.initial_carry(params, BATCH)


one_of_each_kind = pytest.mark.parametrize(
    "scheme", ["symplectic", "two_step", "implicit_midpoint"]
)
EVERYTHING = Coefficients(step_size=0.1, damping=KAPPA)


def test_a_cell_with_two_states_and_a_damping_is_one_short_file() -> None:
    assert len(Path(oscillator.__file__).read_text().splitlines()) < 60


@one_of_each_kind
def test_its_error_falls_with_the_order_of_the_scheme(x64: None, scheme: str) -> None:
    cell, params, inputs, carry = problem(scheme)
    W, V, b = (np.asarray(params[name]) for name in ("recurrent_kernel", "input_kernel", "bias"))
    drive = np.asarray(inputs[0, 0]) @ V + b

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        y, z = np.split(state, 2)
        return np.concatenate([z, np.tanh(y @ W + drive) - KAPPA * z])

    exact = solve_ivp(rate, (0, 1), np.zeros(2 * N), method="DOP853", rtol=1e-13, atol=1e-14).y[
        :N, -1
    ]

    @jax.jit
    def end(steps: jax.Array) -> jax.Array:
        step = cell.prepare(params, {"step_size": 1 / steps, "damping": KAPPA})
        return cell.hidden(jax.lax.fori_loop(0, steps, lambda _, c: step(c, inputs[0]), carry))[0]

    coarse, fine = (np.abs(end(steps) - exact).max() for steps in (40, 80))
    assert fine > 1e-12, "at rounding level nothing is measured"
    assert np.log2(coarse / fine) == pytest.approx(SCHEMES[scheme].order, abs=0.15)


@one_of_each_kind
def test_a_recurrence_is_the_loop_over_its_steps(x64: None, scheme: str) -> None:
    cell, params, inputs, carry = problem(scheme)
    end, states = jax.jit(partial(unroll, cell, return_states=True))(params, EVERYTHING, inputs)
    step, expected = jax.jit(cell.prepare(params, EVERYTHING)), []
    for x in inputs:
        carry = step(carry, x)
        expected.append(cell.hidden(carry))
    for mine, other in zip(jax.tree.leaves(end), jax.tree.leaves(carry), strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)
    assert states is not None
    np.testing.assert_allclose(states, jnp.stack(expected), rtol=1e-12, atol=1e-14)


@one_of_each_kind
def test_a_recurrence_can_be_continued_from_its_carry(x64: None, scheme: str) -> None:
    cell, params, inputs, _ = problem(scheme)
    run, inputs = jax.jit(partial(unroll, cell)), np.asarray(inputs)
    whole, _ = run(params, EVERYTHING, inputs)
    half, _ = run(params, EVERYTHING, inputs[:3])
    rest, _ = run(params, EVERYTHING, inputs[3:], half)
    np.testing.assert_allclose(cell.hidden(rest), cell.hidden(whole), rtol=1e-12, atol=1e-14)


@one_of_each_kind
def test_a_recurrence_that_stores_few_states_is_the_same(x64: None, scheme: str) -> None:
    cell, params, inputs, _ = problem(scheme)
    found, expected = (
        jax.jit(partial(unroll, cell, return_states=True, remat=remat))(params, EVERYTHING, inputs)
        for remat in ("segments", "none")
    )
    for mine, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


@one_of_each_kind
def test_gradients_reach_parameters_inputs_and_every_coefficient(x64: None, scheme: str) -> None:
    cell, params, inputs, _ = problem(scheme)

    @jax.jit
    def loss(params: Any, coefficients: Any, inputs: jax.Array) -> jax.Array:
        carry, _ = unroll(cell, params, coefficients, inputs)
        return jnp.sum(jnp.sin(cell.hidden(carry)))

    check_grads(loss, (params, EVERYTHING, inputs), order=1, modes=["rev"])
    in_damping = jax.grad(loss, argnums=1)(params, EVERYTHING, inputs)["damping"]
    assert abs(in_damping) > 1e-6


@one_of_each_kind
def test_the_jacobian_is_that_of_all_states_and_of_the_memory(x64: None, scheme: str) -> None:
    cell, params, inputs, _ = problem(scheme)
    step, carry = jax.jit(cell.prepare(params, EVERYTHING)), cell.initial_carry(params, 1)
    inputs = np.asarray(inputs)
    carry = step(carry, inputs[0, :1])
    run = jax.jit(partial(end_to_end_jacobians, step, every=5))
    (found,) = run(carry, inputs[1:, :1])
    jacobian = jax.jit(partial(step_jacobian, step))
    size = (4 if scheme == "two_step" else 2) * N
    assert found.shape == (size, size)
    expected = np.eye(size)
    for x in inputs[1:, :1]:
        expected = np.asarray(jacobian(carry, x)) @ expected
        carry = step(carry, x)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_the_initial_state_may_be_given_in_another_dtype() -> None:
    cell, params, inputs, carry = problem("two_step")
    given = jax.tree.map(lambda leaf: np.asarray(leaf, np.int64), carry)
    end, _ = unroll(cell, params, EVERYTHING, inputs, given)
    assert [leaf.dtype for leaf in jax.tree.leaves(end)] == [
        leaf.dtype for leaf in jax.tree.leaves(carry)
    ]


def test_an_option_of_a_scheme_reaches_it() -> None:
    params, x = OSCILLATOR.init(jax.random.key(0), M, N), jnp.ones((BATCH, M))

    def one_step(step_size: float, **values: int) -> Any:
        cell = make_cell("oscillator", "repeated", **values)
        step = cell.prepare(params, Coefficients(step_size, damping=KAPPA))
        return step(cell.initial_carry(params, BATCH), x), step

    state, step = one_step(0.1, repeats=1)
    twice, _ = one_step(0.2)
    np.testing.assert_allclose(twice, step(state, x), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"repeats": 0}, r"config.model.repeats must be in \[1, 2\^31\), found 0"),
        ({"repeats": 1.5}, "config.model.repeats must be of type int, found 1.5 of type float"),
        ({"repeat": 1}, "repeated does not read 'repeat'; it reads repeats, .* 'repeats'"),
    ],
)
def test_a_value_that_a_scheme_cannot_have_is_refused(values: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make_cell("oscillator", "repeated", **values)


def test_a_value_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match="euler does not read 'repeats'; it reads substeps"):
        make_cell("oscillator", "euler", repeats=2)
    with pytest.raises(ConfigError, match="lstm has no scheme to read 'repeats'"):
        make_cell("lstm", repeats=2)


def test_a_pair_that_does_not_fit_is_refused_in_one_line_with_what_fits() -> None:
    with pytest.raises(ConfigError) as refused:
        make_cell("antisymmetric", "symplectic")
    assert str(refused.value) == (
        "model.discretization=symplectic needs a split form, which model.cell=antisymmetric does"
        " not have; antisymmetric goes with euler, midpoint, heun, rk4, ab2, leapfrog2,"
        " backward_euler, implicit_midpoint, trapezoid, two_step, repeated;"
        " symplectic goes with hamiltonian, gated_hamiltonian, cornn, unicornn, oscillator"
    )
    with pytest.raises(ConfigError, match="factorising goes with"):
        make_cell("oscillator", "factorising")


@pytest.mark.parametrize("name", ["oscillator", "antisymmetric"])
def test_a_missing_coefficient_is_refused_by_name(name: str) -> None:
    cell = make_cell(name)
    params, inputs = cell.init(jax.random.key(0), M, N), jnp.zeros((2, BATCH, M))
    missing, other = ("damping", "diffusion") if name == "oscillator" else ("diffusion", "damping")
    with pytest.raises(ConfigError) as refused:
        unroll(cell, params, {"step_size": 0.1, other: 0.1}, inputs)
    assert str(refused.value) == (
        f"the coefficient '{missing}' is missing: the cell reads step_size, {missing};"
        f" found step_size, {other}; give it, for example Coefficients({missing}=0.01)"
    )


def test_a_map_that_reads_a_coefficient_refuses_to_run_without_it() -> None:
    cell = replace(CELLS["vanilla"], options=(DAMPING,))
    assert isinstance(cell, MapCell)
    params = cell.init(jax.random.key(0), M, N)
    with pytest.raises(ConfigError, match="'damping' is missing: the cell reads damping"):
        unroll(cell, params, {}, jnp.zeros((2, BATCH, M)))


def test_coefficients_are_a_mapping_in_which_the_paper_s_two_need_no_name() -> None:
    made = Coefficients(0.1, 0.2, damping=0.3)
    assert made == {"step_size": 0.1, "diffusion": 0.2, "damping": 0.3}
    assert Coefficients(damping=1.0) == {"damping": 1.0}


def test_no_coefficient_has_a_silent_default() -> None:
    assert Coefficients() == {}
    cell, params, inputs, _ = problem("euler")
    with pytest.raises(ConfigError, match=r"'step_size' is missing: .* found damping"):
        unroll(cell, params, Coefficients(damping=0.1), inputs)


def test_any_mapping_of_scalars_will_do() -> None:
    cell, params, inputs, _ = problem("euler")
    one, _ = unroll(cell, params, EVERYTHING, inputs)
    other, _ = unroll(cell, params, dict(EVERYTHING) | {"not_read": 7.0}, inputs)
    for mine, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, same)


@pytest.mark.parametrize("backend", ["auto", "adjoint", "native"])
def test_a_field_that_no_kernel_knows_runs_on_scan_and_says_so_if_asked(backend: str) -> None:
    cell, params, inputs, _ = problem("euler")
    choice = choose_backend(backend, cell, params)
    assert choice.backend == "scan"
    assert choice.note == (
        None
        if backend == "auto"
        else f"no {backend} recurrence for this cell and discretisation; running scan instead"
    )
    found, _ = unroll(cell, params, EVERYTHING, inputs, backend=backend)
    expected, _ = unroll(cell, params, EVERYTHING, inputs, backend="scan")
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@one_of_each_kind
def test_it_is_a_cell_of_flax(scheme: str) -> None:
    cell = RecurrentCell(
        "oscillator", M, N, discretization=scheme, step_size=0.1, damping=KAPPA, rngs=nnx.Rngs(0)
    )
    _, _, inputs, _ = problem(scheme)
    states = nnx.RNN(cell, time_major=True)(inputs)
    _, expected = unroll(cell.cell, cell.arrays(), EVERYTHING, inputs, return_states=True)
    assert expected is not None
    np.testing.assert_allclose(states, expected, rtol=1e-6, atol=1e-7)


def test_both_states_of_a_cell_of_flax_are_drawn_by_its_carry_init() -> None:
    cell = RecurrentCell("oscillator", M, N, damping=KAPPA, rngs=nnx.Rngs(0))
    draw = nnx.initializers.normal()
    y, z = cell.initialize_carry((BATCH, M), nnx.Rngs(carry=1), draw)
    assert y.shape == z.shape == (BATCH, N)
    assert not np.array_equal(y, z)
    assert (np.asarray(y) != 0).all()


def test_a_cell_of_flax_has_parameters_and_states_of_its_dtype() -> None:
    cell = RecurrentCell(
        "oscillator", M, N, damping=KAPPA, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0)
    )
    carry = cell.initialize_carry((BATCH, M))
    after, output = cell(carry, jnp.ones((BATCH, M), jnp.bfloat16))
    for leaf in jax.tree.leaves((cell.arrays(), carry, after, output)):
        assert leaf.dtype == jnp.bfloat16


@pytest.mark.parametrize("name", CELLS)
def test_parameters_are_drawn_in_the_default_dtype(x64: None, name: str) -> None:
    def init(key: jax.Array) -> Any:
        return CELLS[name].init(key, M, N)

    for drawn in jax.eval_shape(init, jax.random.key(0)).values():
        assert drawn.dtype == np.float64
    with jax.enable_x64(False):
        for drawn in jax.eval_shape(init, jax.random.key(0)).values():
            assert drawn.dtype == np.float32
            assert not drawn.weak_type
