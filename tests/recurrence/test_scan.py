"""`scan` against a loop in Python, and the loop against NumPy: values and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import CELLS, Coefficients, make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import BACKENDS, choose_backend, unroll
from tests.dynamics import reference
from tests.dynamics.reference import DIFFUSION, OTHERS, STEP_SIZE, M, N

LENGTH, BATCH = 5, 2
COEFFICIENTS = Coefficients(STEP_SIZE, DIFFUSION, **OTHERS)
every_cell = pytest.mark.parametrize("name", sorted(CELLS))
KINDS = ("gated_antisymmetric", "cornn", "expm", "lstm")
"""One and two states, of fields and of maps; what differs otherwise is seen in one step."""
one_of_each_kind = pytest.mark.parametrize("name", KINDS)


def loop(cell, params, coefficients, inputs, carry):
    """The oracle: what a recurrence means."""
    step, states = cell.prepare(params, coefficients), []
    for x in inputs:
        carry = step(carry, x)
        states.append(cell.hidden(carry))
    return carry, jnp.stack(states)


def problem(name, length=LENGTH, batch=BATCH, scheme="euler"):
    """A cell and the arguments of a recurrence, with a carry that is not zero."""
    cell = make_cell(name, scheme)
    params = jax.tree.map(jnp.asarray, reference.random_params(name))
    rng = np.random.default_rng(7)
    carry = jax.tree.map(
        lambda part: jnp.asarray(rng.standard_normal(part.shape)),
        cell.initial_carry(params, batch),
    )
    inputs = jnp.asarray(reference.random_sequence(length, batch))
    return cell, (params, COEFFICIENTS, inputs, carry)


def differentiate(recurrence, cell, arguments):
    """What a recurrence returns, and the gradients of a scalar that all of it enters."""

    def loss(params, coefficients, inputs, carry):
        result = recurrence(cell, params, coefficients, inputs, carry)
        return sum(jnp.sum(jnp.cos(part)) for part in jax.tree.leaves(result)), result

    gradients, result = jax.grad(loss, argnums=(0, 1, 2, 3), has_aux=True)(*arguments)
    return result, gradients


def compiled(recurrence, cell):
    """`differentiate` in one piece."""
    return jax.jit(functools.partial(differentiate, recurrence, cell))


def compiled_loop(cell):
    return jax.jit(functools.partial(loop, cell))


def scan(**options):
    return functools.partial(unroll, backend="scan", **options)


def run(cell, *arguments, **options):
    """`unroll` on scan, in one piece."""
    return jax.jit(functools.partial(scan(**options), cell))(*arguments)


def assert_close(ours, wanted):
    assert jax.tree.structure(ours) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


@functools.cache
def oracle(name):
    """Values and gradients of the loop."""
    cell, arguments = problem(name)
    return compiled(loop, cell)(arguments)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "euler") for name in KINDS]
    + [("gated_antisymmetric", "rk4"), ("hamiltonian", "midpoint")],
)
def test_the_loop_is_the_formula_in_float64_numpy(x64, name, scheme):
    cell, (params, coefficients, inputs, carry) = problem(name, scheme=scheme)
    ours, states = compiled_loop(cell)(params, coefficients, inputs, carry)
    wanted, wanted_states = reference.unroll(
        name,
        reference.random_params(name),
        tuple(np.asarray(part) for part in jax.tree.leaves(carry)),
        np.asarray(inputs),
        scheme=scheme,
    )
    assert_close(tuple(jax.tree.leaves(ours)), wanted)
    assert_close(states, wanted_states)


@pytest.mark.parametrize(
    ("name", "steps"),
    [(name, 1) for name in KINDS] + [("gated_antisymmetric", 4), ("lstm", 7)],
)
def test_values_and_gradients_are_those_of_the_loop(x64, name, steps):
    cell, arguments = problem(name)
    recurrence = scan(unroll=steps, return_states=True)
    assert_close(compiled(recurrence, cell)(arguments), oracle(name))


@pytest.mark.parametrize("name", ["gated_antisymmetric", "cornn", "lstm"])
def test_values_and_gradients_with_remat_are_those_of_the_loop(x64, name):
    cell, arguments = problem(name)
    recurrence = scan(remat="segments", return_states=True)
    assert_close(compiled(recurrence, cell)(arguments), oracle(name))


@pytest.mark.parametrize(
    ("length", "steps", "return_states"),
    [(2, 1, True), (3, 4, True), (50, 4, False)],
)
def test_remat_serves_any_length(x64, length, steps, return_states):
    cell, arguments = problem("antisymmetric", length)
    with_remat, without = (
        compiled(scan(**options), cell)(arguments)
        for options in (
            {"remat": "segments", "unroll": steps, "return_states": return_states},
            {"return_states": return_states},
        )
    )
    assert_close(with_remat, without)


def last_loss(params, inputs, carry, *, remat):
    """A scalar of the last hidden state, as in training."""
    cell = make_cell("antisymmetric")
    return jnp.sum(scan(remat=remat)(cell, params, COEFFICIENTS, inputs, carry)[0])


def long_problem(length):
    """Parameters, inputs and carry with m = 1, B = 4, n = 32, where the states weigh most."""
    params = {
        "recurrent_triangle": jnp.zeros(496),
        "input_kernel": jnp.zeros((1, 32)),
        "bias": jnp.zeros(32),
    }
    return params, jnp.zeros((length, 4, 1)), jnp.zeros((4, 32))


def stored_entries(length, *, remat):
    """How many numbers the forward pass keeps for the backward pass."""
    params, *rest = long_problem(length)

    def backward(params):
        return jax.vjp(lambda params: last_loss(params, *rest, remat=remat), params)[1]

    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(backward, params)))


def peak_memory(length, *, remat):
    """Bytes of temporary memory of the compiled gradient."""
    gradient = jax.jit(jax.grad(functools.partial(last_loss, remat=remat)))
    return gradient.lower(*long_problem(length)).compile().memory_analysis().temp_size_in_bytes


def test_remat_stores_the_root_of_the_length():
    states = 4 * 32  # numbers of one state
    assert stored_entries(401, remat="none") > 401 * states
    assert stored_entries(401, remat="segments") < 0.2 * 401 * states
    growth = stored_entries(1601, remat="segments") - stored_entries(401, remat="segments")
    assert growth < 25 * states + 4 * 1201  # twenty more segments, and the longer inputs


def test_remat_lowers_the_peak_memory_of_a_gradient():
    assert peak_memory(400, remat="segments") < 0.25 * peak_memory(400, remat="none")


@pytest.mark.parametrize(("name", "remat"), [("lstm", "none"), ("gated_antisymmetric", "segments")])
def test_all_states_are_returned_only_if_asked_for(x64, name, remat):
    cell, arguments = problem(name)
    carry, states = run(cell, *arguments, remat=remat, return_states=True)
    assert states.shape == (LENGTH, BATCH, N)
    np.testing.assert_array_equal(states[-1], cell.hidden(carry))
    same, none = run(cell, *arguments, remat=remat)
    assert none is None
    assert_close(same, carry)


@one_of_each_kind
def test_the_carry_before_the_first_step_is_zero_by_default(x64, name):
    cell, (params, coefficients, inputs, carry) = problem(name)
    zeros = jax.tree.map(jnp.zeros_like, carry)
    by_default = run(cell, params, coefficients, inputs)
    assert_close(by_default, run(cell, params, coefficients, inputs, zeros))


@one_of_each_kind
def test_a_sequence_can_be_gone_on_with_from_its_carry(x64, name):
    cell, (params, coefficients, inputs, carry) = problem(name)
    inputs = np.asarray(inputs)
    whole, _ = run(cell, params, coefficients, inputs, carry)
    half, _ = run(cell, params, coefficients, inputs[:3], carry)
    assert_close(run(cell, params, coefficients, inputs[3:], half)[0], whole)


@pytest.mark.parametrize(
    ("name", "length", "batch", "remat"),
    [
        *(("gated_antisymmetric", 0, 2, "segments"), ("gated_antisymmetric", 1, 1, "segments")),
        *(("lstm", 0, 2, "none"), ("lstm", 1, 1, "none"), ("lstm", 5, 1, "segments")),
    ],
)
def test_short_sequences_and_batches_of_one(x64, name, length, batch, remat):
    cell, arguments = problem(name, length, batch)
    carry, states = run(cell, *arguments, remat=remat, return_states=True, unroll=4)
    assert states.shape == (length, batch, N)
    if length:
        assert_close((carry, states), compiled_loop(cell)(*arguments))
    else:
        assert_close(carry, arguments[-1])


@every_cell
def test_a_recurrence_keeps_float32(key, name):
    cell = make_cell(name)

    def result(key):
        inputs = jnp.ones((LENGTH, BATCH, M))
        return scan(return_states=True)(cell, cell.init(key, M, N), COEFFICIENTS, inputs)

    carry, states = jax.eval_shape(result, key)
    assert {leaf.dtype for leaf in jax.tree.leaves((carry, states))} == {jnp.dtype("float32")}


@one_of_each_kind
def test_float32_agrees_with_float64_numpy(name):
    cell, (params, coefficients, inputs, carry) = problem(name, 20)
    assert inputs.dtype == jnp.float32
    wanted, _ = reference.unroll(
        name,
        reference.random_params(name),
        tuple(np.asarray(part, np.float64) for part in jax.tree.leaves(carry)),
        reference.random_sequence(20, BATCH),
    )
    ours, _ = run(cell, params, coefficients, inputs, carry)
    for mine, other in zip(jax.tree.leaves(ours), wanted, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-5, atol=2e-5)


@every_cell
def test_the_scan_serves_every_cell_and_auto_finds_a_backend(name):
    cell, params = make_cell(name), jax.tree.map(jnp.asarray, reference.random_params(name))
    assert choose_backend("scan", cell, params)[:2] == ("scan", None)
    assert choose_backend("auto", cell, params).backend in BACKENDS


def test_an_unknown_backend_is_refused_with_the_names_and_the_nearest():
    cell, arguments = problem("vanilla")
    with pytest.raises(ConfigError, match=r"auto, scan.*; found 'scam'; did you mean 'scan'\?"):
        unroll(cell, *arguments, backend="scam")
