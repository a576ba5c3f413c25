"""The contract that every cell of the table keeps."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from asrnn.dynamics import CELLS, SCHEMES, Coefficients, OdeCell, make_cell
from asrnn.errors import ConfigError
from asrnn.options import Use
from asrnn.recurrence import unroll
from tests.dynamics import reference
from tests.dynamics.reference import (
    DIFFUSION,
    HAMILTONIAN_CELLS,
    ODE_CELLS,
    ONE_STEP_SCHEMES,
    OTHERS,
    SHAPES,
    SPLIT_CELLS,
    STEP_SIZE,
    M,
    N,
)

BATCH = 2
COEFFICIENTS = Coefficients(STEP_SIZE, DIFFUSION, **OTHERS)
ZEROS = nnx.initializers.zeros_init()  # in the place of an orthogonal matrix, which is slow
every_cell = pytest.mark.parametrize("name", sorted(CELLS))
EVERY_SCHEME = ("gated_antisymmetric",)
"""The cells that are held to every scheme; for the others one is enough."""
KINDS = ("gated_antisymmetric", "cornn", "expm", "lstm")
"""One and two states, of fields and of maps: for what depends on no equation."""


def as_jax(params):
    return jax.tree.map(jnp.asarray, params)


def random_carry(cell, params, seed=5):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda part: jnp.asarray(rng.standard_normal(part.shape), part.dtype),
        cell.initial_carry(params, BATCH),
    )


def columns(carry):
    """A carry as the tuple of NumPy arrays that the reference knows."""
    return tuple(np.asarray(part) for part in jax.tree.leaves(carry))


def test_every_cell_has_a_reference():
    assert SHAPES.keys() == CELLS.keys()


@every_cell
def test_a_cell_has_the_parameters_of_its_equation(key, name):
    params = jax.eval_shape(lambda key: CELLS[name].init(key, M, N), key)
    assert {key: value.shape for key, value in params.items()} == SHAPES[name]
    assert {value.dtype for value in params.values()} == {jnp.dtype("float32")}


def formula(text):
    """A formula of docs/cells.md in n and m, as Python: "2n² + nm" is 2 * n**2 + n * m."""
    text = text.replace("²", "**2")
    return re.sub(r"(?<=[0-9nm)])\s*(?=[nm(])", "*", text)


@every_cell
def test_the_page_of_cells_has_a_line_for_each_with_its_number_of_parameters(name):
    page = (Path(__file__).parents[2] / "docs" / "cells.md").read_text()
    equations = page.partition("## What the symbols are called")[0]
    (line,) = re.findall(rf"^\| `{name}` \| (.*)$", equations, re.MULTILINE)
    _, _, written, states, *_ = re.split(r" \| ?", line)
    count = sum(np.prod(shape) for shape in SHAPES[name].values())
    assert eval(formula(written), {"n": N, "m": M}) == count
    cell = make_cell(name)
    carry = cell.initial_carry(cell.init(jax.random.key(0), M, N), BATCH)
    assert len(jax.tree.leaves(carry)) == int(states.split()[0])


@every_cell
def test_biases_start_at_zero_but_for_the_forget_gate_at_one(key, name):
    params = CELLS[name].init(key, M, N)
    for bias in [value for key, value in params.items() if key.endswith("bias")]:
        expected = np.zeros(bias.shape)
        if name == "lstm":
            expected[N : 2 * N] = 1
        np.testing.assert_array_equal(bias, expected)


@every_cell
def test_another_key_draws_other_parameters_and_the_same_key_the_same(name):
    one, same, other = (CELLS[name].init(jax.random.key(seed), M, N) for seed in (0, 0, 1))
    for kernel in [key for key in one if not key.endswith("bias")]:
        np.testing.assert_array_equal(one[kernel], same[kernel])
        drawn = one[kernel] != 0  # the matrix of expm starts block-diagonal
        assert drawn.any()
        assert not np.any(drawn & (one[kernel] == other[kernel]))


@every_cell
def test_the_initial_carry_is_zero_in_the_dtype_of_the_parameters(key, name):
    cell = make_cell(name)
    params = cell.init(key, M, N)
    for dtype in (jnp.float32, jnp.bfloat16):
        carry = cell.initial_carry({k: v.astype(dtype) for k, v in params.items()}, BATCH)
        parts = jax.tree.leaves(carry)
        assert len(parts) == (2 if name in ("lstm", "lem", *SPLIT_CELLS) else 1)
        size = N // 2 if name in HAMILTONIAN_CELLS else N
        assert {(part.shape, part.dtype) for part in parts} == {((BATCH, size), jnp.dtype(dtype))}
        assert not any(map(np.any, parts))


@every_cell
def test_a_step_keeps_shape_dtype_and_structure_of_the_carry(key, name):
    cell = make_cell(name)

    def carries(key):
        params = cell.init(key, M, N)
        carry = cell.initial_carry(params, BATCH)
        return carry, cell.prepare(params, COEFFICIENTS)(carry, jnp.ones((BATCH, M)))

    carry, after = jax.eval_shape(carries, key)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), carry
    )
    assert jax.eval_shape(cell.hidden, after).shape == (BATCH, N)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, scheme) for name in EVERY_SCHEME for scheme in ONE_STEP_SCHEMES]
    + [(name, "rk4") for name in ODE_CELLS if name not in EVERY_SCHEME]
    + [(name, scheme) for name in SPLIT_CELLS for scheme in ("symplectic_euler", "leapfrog")]
    + [(name, "euler") for name in CELLS if name not in ODE_CELLS],
)
def test_a_step_is_the_formula_in_float64_numpy(x64, name, scheme):
    numpy_params = reference.random_params(name)
    solver = {"tolerance": 1e-13, "max_iterations": 200}
    values = solver if SCHEMES[scheme].failures else {}
    cell, params = make_cell(name, scheme, **values), as_jax(numpy_params)
    carry, x = random_carry(cell, params), reference.random_sequence(1, BATCH)[0]

    def step(params, carry, x):
        return cell.prepare(params, COEFFICIENTS)(carry, x)

    state = columns(cell.scheme.state(carry) if isinstance(cell, OdeCell) else carry)
    expected, _ = reference.unroll(name, numpy_params, state, x[None], scheme=scheme)
    found = columns(jax.jit(step)(params, carry, x))
    for part, wanted in zip(found[: len(expected)], expected, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", KINDS)
def test_examples_of_a_batch_do_not_influence_each_other(key, name):
    cell, params = make_cell(name), as_jax(reference.random_params(name))
    step = jax.jit(lambda carry, x: cell.prepare(params, COEFFICIENTS)(carry, x))
    carry, x = random_carry(cell, params), jax.random.normal(key, (BATCH, M))
    disturbed = x.at[1].add(1.0)
    np.testing.assert_array_equal(
        cell.hidden(step(carry, x))[0], cell.hidden(step(carry, disturbed))[0]
    )


@pytest.mark.parametrize("name", ODE_CELLS)
def test_a_field_takes_any_leading_axes(name):
    # N leading rows: a contraction over the wrong axis would go unnoticed by its shape.
    field = CELLS[name].field(as_jax(reference.random_params(name)), COEFFICIENTS)
    rng = np.random.default_rng(0)
    h, x = rng.standard_normal((2, N, N)), rng.standard_normal((2, N, M))
    h, x = jnp.float32(h), jnp.float32(x)

    def rate(h, x):
        """Of a pair: both rates, side by side, at two halves or at one state for both."""
        if name not in SPLIT_CELLS:
            return field(h, x)
        pair = tuple(jnp.split(h, 2, axis=-1)) if name in HAMILTONIAN_CELLS else (h, -h)
        return jnp.concatenate(field(pair, x), axis=-1)

    rate = jax.jit(rate)
    flat = rate(h.reshape(-1, N), x.reshape(-1, M)).reshape(*h.shape[:-1], -1)
    np.testing.assert_allclose(rate(h, x), flat, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(rate(h[0, 0], x[0, 0]), flat[0, 0], rtol=2e-6, atol=1e-6)


@every_cell
def test_the_run_time_scalars_are_traced_and_only_those_that_a_cell_reads_matter(key, name):
    cell, traces = make_cell(name), []

    @jax.jit
    def run(params, coefficients, inputs):
        traces.append(name)
        return unroll(cell, params, coefficients, inputs, backend="scan")[0]

    params, inputs = as_jax(reference.random_params(name)), jax.random.normal(key, (4, BATCH, M))
    result = cell.hidden(run(params, COEFFICIENTS, inputs))
    read = {option.name for option in cell.options if option.use is Use.RUN_TIME}
    assert read <= COEFFICIENTS.keys()
    for scalar, value in COEFFICIENTS.items():
        other = cell.hidden(run(params, COEFFICIENTS | {scalar: 0.5 * value}, inputs))
        assert np.array_equal(other, result) == (scalar not in read), scalar
    assert len(traces) == 1


@pytest.mark.parametrize("name", KINDS)
def test_gradients_agree_with_finite_differences(x64, name):
    cell, params = make_cell(name), as_jax(reference.random_params(name))

    @jax.jit
    def loss(params, coefficients, inputs, carry):
        carry, states = unroll(
            cell, params, coefficients, inputs, carry, backend="scan", return_states=True
        )
        return jnp.sum(jnp.sin(states)) + sum(map(jnp.sum, jax.tree.leaves(carry)))

    inputs = jnp.asarray(reference.random_sequence(4, BATCH))
    arguments = (params, COEFFICIENTS, inputs, random_carry(cell, params))
    check_grads(loss, arguments, order=1, modes=["rev"])


def test_the_lstm_is_the_lstm_of_flax(key):
    cell, params = make_cell("lstm"), as_jax(reference.random_params("lstm"))
    params = jax.tree.map(jnp.float32, params)
    optimized = nnx.OptimizedLSTMCell(M, N, recurrent_kernel_init=ZEROS, rngs=nnx.Rngs(0))
    optimized.dense_i.kernel[...] = params["input_kernel"]
    optimized.dense_h.kernel[...] = params["recurrent_kernel"]
    optimized.dense_h.bias[...] = params["bias"]
    plain = nnx.LSTMCell(M, N, recurrent_kernel_init=ZEROS, rngs=nnx.Rngs(0))
    blocks = {key: jnp.split(value, 4, axis=-1) for key, value in params.items()}
    for index, gate in enumerate("ifgo"):
        from_input = getattr(plain, "if_" if gate == "f" else f"i{gate}")
        from_hidden = getattr(plain, f"h{gate}")
        from_input.kernel[...] = blocks["input_kernel"][index]
        from_hidden.kernel[...] = blocks["recurrent_kernel"][index]
        from_hidden.bias[...] = blocks["bias"][index]

    h, c = random_carry(cell, params)
    x = jax.random.normal(key, (BATCH, M))
    ours = cell.prepare(params, COEFFICIENTS)((h, c), x)
    for theirs in (optimized, plain):
        (their_c, their_h), _ = theirs((c, h), x)
        np.testing.assert_allclose(ours[0], their_h, rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(ours[1], their_c, rtol=2e-6, atol=1e-7)


def test_the_gru_is_the_gru_of_flax(key):
    # Flax's cell documents a recurrent bias of the candidate and has none.
    cell, params = make_cell("gru"), as_jax(reference.random_params("gru"))
    params = jax.tree.map(jnp.float32, params) | {"recurrent_bias": jnp.zeros(N)}
    theirs = nnx.GRUCell(M, N, recurrent_kernel_init=ZEROS, rngs=nnx.Rngs(0))
    theirs.dense_i.kernel[...] = params["input_kernel"]
    theirs.dense_i.bias[...] = params["bias"]
    theirs.dense_h.kernel[...] = params["recurrent_kernel"]
    carry, x = random_carry(cell, params), jax.random.normal(key, (BATCH, M))
    (ours,) = cell.prepare(params, COEFFICIENTS)(carry, x)
    np.testing.assert_allclose(ours, theirs(carry[0], x)[0], rtol=2e-6, atol=1e-7)


def test_an_unknown_cell_is_refused_with_the_names_and_the_nearest():
    with pytest.raises(ConfigError, match=r"antisymmetric, .*gru; found 'ltsm'; .* 'lstm'\?"):
        make_cell("ltsm")
