"""The front door: every backend is `scan` to rounding, in values and gradients."""

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import Coefficients, make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import choose_backend, kernels, native, unroll

KERNELS = (
    "adjoint",
    "native",
    pytest.param("simulated", marks=pytest.mark.slow),
    pytest.param("gpu", marks=pytest.mark.gpu),
)
FIELDS = ("antisymmetric", "gated_antisymmetric", "ablation")
# T, B, n, m: single steps and rows, odd sizes, the inputs of noise-padded CIFAR-10.
SIZES = [
    (1, 1, 1, 1),
    (1, 5, 7, 2),
    (9, 1, 3, 1),
    (23, 6, 33, 3),
    (12, 37, 20, 96),
    (50, 19, 16, 1),
]
COVERING = {
    "antisymmetric": ((23, 6, 33, 3),),
    "gated_antisymmetric": ((1, 5, 7, 2), (12, 37, 20, 96)),
    "ablation": ((9, 1, 3, 1),),
}
"""Most sizes with one field; the others are slow."""
CASES = [
    pytest.param(name, sizes, marks=() if sizes in COVERING[name] else pytest.mark.slow)
    for name in FIELDS
    for sizes in SIZES
]
ADAMS_BASHFORTH = [
    ("antisymmetric", 0, "none"),
    ("residual", 5, "none"),
    ("gated_antisymmetric", 5, "none"),
    ("gated_antisymmetric", 0, "segments"),
]
"""Cell, steps before the first, and remat."""


@pytest.fixture(params=KERNELS)
def kernel(request):
    """A backend with a hand-written backward pass; the last two are `native` on a GPU."""
    if request.param == "gpu":
        if jax.default_backend() != "gpu":
            pytest.fail("these tests need a GPU: make test-gpu")
        assert native.available(1, 1, False) is None
        return "native"
    if request.param == "simulated":
        request.getfixturevalue("cuda_kernels")
        return "native"
    reason = native.available(1, 1, False) if request.param == "native" else None
    if reason is not None:
        pytest.skip(reason)
    return request.param


def problem(name, sizes, seed=0):
    """A cell, random parameters at the paper's scale, inputs and an initial state."""
    length, batch, n, m = sizes
    keys = jax.random.split(jax.random.key(seed), 4)
    cell = make_cell(name)
    params = cell.init(keys[0], m, n)
    params |= {k: p + 0.1 for k, p in params.items() if "bias" in k}
    inputs = jax.random.normal(keys[1], (length, batch, m))
    state = jax.random.normal(keys[2], (batch, n))
    return cell, (params, Coefficients(0.1, 0.05), inputs, state)


def in_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def differentiate(cell, arguments, backend, **options):
    """Results, and the gradients of a fixed functional in all arguments."""

    def functional(params, coefficients, inputs, state):
        results = unroll(cell, params, coefficients, inputs, state, backend=backend, **options)
        total = sum(jnp.cos(3.0 * leaf).sum() for leaf in jax.tree.leaves(results))
        return total, results

    arguments = jax.tree.map(jnp.asarray, arguments)
    run = jax.jit(jax.value_and_grad(functional, argnums=(0, 1, 2, 3), has_aux=True))
    (_, results), gradients = run(*arguments)
    return results, gradients


def assert_close(found, reference, bound):
    """Norm-wise, leaf by leaf.

    Where a single tanh is saturated, 1 - tanh² has few digits in any float32 program, so a
    leaf that is less than a hundredth of the whole is held to a hundredth of the whole.
    """
    whole = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(reference)))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(reference), strict=True):
        error = np.linalg.norm(np.asarray(a, np.float64) - b)
        assert error <= bound * max(np.linalg.norm(b), whole / 100), (error, b.shape)


@functools.cache
def reference(name, sizes, **options):
    """`scan` in float64 on the same numbers."""
    cell, arguments = problem(name, sizes)
    with jax.enable_x64(True):
        results = differentiate(cell, in_float64(arguments), "scan", **options)
        return jax.tree.map(np.asarray, results)


@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_a_kernel_has_the_values_and_gradients_of_scan_in_float64(name, sizes, kernel):
    cell, arguments = problem(name, sizes)
    found = differentiate(cell, arguments, kernel, return_states=True)
    expected = reference(name, sizes, return_states=True)
    assert_close(found[0], expected[0], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


@pytest.mark.parametrize(("name", "age", "remat"), ADAMS_BASHFORTH)
def test_the_kernel_of_adams_and_bashforth_is_scan_in_float64(name, age, remat):
    """At the start, whose first step is one of Euler, and going on with a slope from before."""
    if (reason := native.cpu.available()) is not None:
        pytest.skip(reason)
    _, (params, coefficients, inputs, state) = problem(name, (23, 6, 33, 3))
    cell = make_cell(name, "ab2")
    assert choose_backend("auto", cell, params)[:2] == ("native", None)

    def results_and_gradients(backend, given):
        def functional(params, coefficients, inputs, state, slope):
            carry = state, slope, jnp.int32(age)
            options = {"backend": backend, "return_states": True, "remat": remat}
            (*last, steps), states = unroll(cell, params, coefficients, inputs, carry, **options)
            total = sum(jnp.cos(3.0 * leaf).sum() for leaf in (*last, states))
            return total, (last, states, steps)

        run = jax.jit(jax.value_and_grad(functional, argnums=range(5), has_aux=True))
        (_, results), gradients = run(*jax.tree.map(jnp.asarray, given))
        return results, gradients

    arguments = params, coefficients, inputs, state, 0.5 * state[::-1]
    found = results_and_gradients("native", arguments)
    with jax.enable_x64(True):
        expected = results_and_gradients("scan", in_float64(arguments))
        expected = jax.tree.map(np.asarray, expected)
    assert found[0][-1] == expected[0][-1] == age + 23
    assert_close(found[0][:-1], expected[0][:-1], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


def test_a_sequence_cut_in_two_is_the_whole_one_for_the_kernel_with_a_memory():
    if (reason := native.cpu.available()) is not None:
        pytest.skip(reason)
    _, (params, coefficients, inputs, _) = problem("gated_antisymmetric", (23, 6, 33, 3))
    cell = make_cell("gated_antisymmetric", "ab2")
    run = functools.partial(unroll, cell, params, coefficients, backend="native")
    whole, _ = run(inputs)
    carry = None
    for part in (inputs[:9], inputs[9:9], inputs[9:]):
        carry, _ = run(part, carry)
    for one, other in zip(carry, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_members_of_different_age_go_on_side_by_side():
    """A population in which one begins and one goes on."""
    if (reason := native.cpu.available()) is not None:
        pytest.skip(reason)
    _, (params, coefficients, inputs, state) = problem("antisymmetric", (5, 4, 7, 2))
    cell = make_cell("antisymmetric", "ab2")

    def last(backend, age):
        carry = state, 0.5 * state, age
        return unroll(cell, params, coefficients, inputs, carry, backend=backend)[0]

    ages = jnp.array([0, 5])
    found, expected = (jax.vmap(functools.partial(last, it))(ages) for it in ("native", "scan"))
    np.testing.assert_array_equal(found[2], [5, 10])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("remat", ["none", "segments"])
@pytest.mark.parametrize("name", ["hamiltonian", "gated_hamiltonian"])
def test_the_kernel_for_position_and_momentum_is_scan_in_float64(name, remat):
    """Its own tests are in native/cpu/test_hamiltonian.py; here it is the cell's."""
    if (reason := native.cpu.available()) is not None:
        pytest.skip(reason)
    cell, (params, coefficients, inputs, state) = problem(name, (23, 6, 34, 3))
    cell = make_cell(name, "symplectic_euler")
    assert choose_backend("auto", cell, params)[:2] == ("native", None)
    arguments = (params, coefficients, inputs, tuple(jnp.split(state, 2, axis=-1)))
    found = differentiate(cell, arguments, "native", return_states=True, remat=remat)
    with jax.enable_x64(True):
        wide = in_float64(arguments)
        expected = differentiate(cell, wide, "scan", return_states=True)
        expected = jax.tree.map(np.asarray, expected)
    assert_close(found[0], expected[0], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


@pytest.mark.parametrize(
    ("name", "return_states"),
    [pytest.param("antisymmetric", True, marks=pytest.mark.slow), ("gated_antisymmetric", False)],
)
def test_remat_changes_nothing_but_memory(name, return_states, kernel):
    cell, arguments = problem(name, (50, 19, 16, 1))
    found = differentiate(cell, arguments, kernel, return_states=return_states, remat="segments")
    expected = reference(name, (50, 19, 16, 1), return_states=return_states)
    assert_close(found[0], expected[0], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


@pytest.fixture(scope="module")
def paper():
    """The cell and the arguments of the paper's case, and `scan` on them in float64."""
    cell, (params, _, inputs, _) = problem("antisymmetric", (784, 8, 128, 1))
    arguments = (params, Coefficients(0.01, 0.01), inputs, jnp.zeros((8, 128)))
    with jax.enable_x64(True):
        expected = jax.tree.map(np.asarray, differentiate(cell, in_float64(arguments), "scan"))
    return cell, arguments, expected


def test_the_paper_s_case_is_within_the_bounds(kernel, paper):
    cell, arguments, expected = paper
    found = differentiate(cell, arguments, kernel)
    assert_close(found[0], expected[0], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("antisymmetric", np.inf, marks=pytest.mark.slow),
        ("gated_antisymmetric", np.nan),
    ],
)
def test_what_is_not_finite_spreads_as_in_scan(name, value, kernel):
    cell, (params, coefficients, inputs, state) = problem(name, (6, 4, 20, 2))
    arguments = (params, coefficients, inputs.at[3, 1, 0].set(value), state)
    for a, b in zip(
        jax.tree.leaves(differentiate(cell, arguments, kernel)[0]),
        jax.tree.leaves(differentiate(cell, arguments, "scan")[0]),
        strict=True,
    ):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))


def test_padding_beside_an_infinite_state_stays_out_of_the_gradients(kernel):
    """n = 20 leaves part of a vector empty; what stands there must not be summed."""
    cell, (params, coefficients, inputs, state) = problem("antisymmetric", (6, 4, 20, 2))
    state = state.at[0, 0].set(np.inf)

    def functional(step_size, backend):
        last, _ = unroll(
            cell, params, coefficients | {"step_size": step_size}, inputs, state, backend=backend
        )
        return last[1:].sum()

    gradient = jax.jit(jax.grad(functional), static_argnums=1)
    gradients = [gradient(0.1, backend) for backend in (kernel, "scan")]
    assert np.isfinite(gradients[1])
    np.testing.assert_allclose(*gradients, rtol=1e-5)


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [
        *(("auto", jnp.uint8), ("scan", jnp.int32)),
        *(("adjoint", jnp.bfloat16), ("native", jnp.uint8), ("native", jnp.int32)),
    ],
)
def test_inputs_of_another_dtype_are_converted(backend, dtype):
    cell, (params, coefficients, inputs, state) = problem("antisymmetric", (5, 3, 4, 2))
    inputs = jnp.abs(3 * inputs).astype(dtype)

    def last(inputs, backend):
        return unroll(cell, params, coefficients, inputs, state, backend=backend)[0]

    last = jax.jit(last, static_argnums=1)
    found, expected = last(inputs, backend), last(inputs.astype(jnp.float32), "scan")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_float64_parameters_run_in_float64(x64):
    cell, (params, coefficients, inputs, state) = problem("antisymmetric", (5, 3, 4, 2))
    assert params["bias"].dtype == jnp.float64
    last, _ = unroll(cell, params, coefficients, inputs, state, backend="auto")
    assert last.dtype == jnp.float64


def test_auto_takes_the_fastest_backend_that_there_is(monkeypatch):
    cell, (params, *_) = problem("antisymmetric", SIZES[0])
    monkeypatch.setattr(native, "available", lambda *sizes: None)
    assert choose_backend("auto", cell, params)[:2] == ("native", None)
    monkeypatch.setattr(native, "available", lambda *sizes: "no C++ compiler")
    backend, note, _ = choose_backend("auto", cell, params)
    assert backend == "adjoint"
    assert "no C++ compiler" in note


def test_on_a_gpu_native_is_for_those_who_ask(monkeypatch):
    cell, (params, *_) = problem("gated_antisymmetric", (1, 1, 5, 3))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    asked = []
    monkeypatch.setattr(native.cuda, "available", lambda *sizes: asked.append(sizes))
    assert choose_backend("auto", cell, params)[:2] == ("adjoint", None)
    assert not asked
    assert choose_backend("native", cell, params)[:2] == ("native", None)
    assert asked == [(5, 3, True)]


def test_what_stands_in_the_way_of_native_is_said(cuda_kernels):
    cell, (params, *_) = problem("antisymmetric", (1, 1, 257, 1))
    backend, note, _ = choose_backend("native", cell, params)
    assert backend == "adjoint"
    assert note == (
        "no native recurrence (the CUDA kernels take at most 256 units, found 257);"
        " running adjoint instead"
    )


def test_there_is_no_native_kernel_for_other_platforms(monkeypatch):
    cell, (params, *_) = problem("antisymmetric", SIZES[0])
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert choose_backend("auto", cell, params)[:2] == ("adjoint", None)
    assert "there is none for tpu" in choose_backend("native", cell, params).note


def test_a_free_matrix_without_a_gate_has_the_kernels_too(kernel):
    sizes = (9, 2, 7, 3)
    cell, arguments = problem("residual", sizes)
    assert choose_backend("auto", cell, arguments[0]).backend in ("adjoint", "native")
    found = differentiate(cell, arguments, kernel, return_states=True)
    expected = reference("residual", sizes, return_states=True)
    assert_close(found[0], expected[0], 5e-6)
    assert_close(found[1], expected[1], 2e-5)


@pytest.mark.parametrize("name", ["hamiltonian", "lipschitz", "cornn", "vanilla", "lstm", "gru"])
@pytest.mark.parametrize("wanted", ["auto", "adjoint", "native"])
def test_other_cells_fall_back_to_scan_and_say_so_when_asked_for_more(name, wanted):
    cell, (params, *_) = problem(name, SIZES[4])
    backend, note, _ = choose_backend(wanted, cell, params)
    assert backend == "scan"
    assert (note is None) == (wanted == "auto")


@pytest.mark.parametrize(
    ("scheme", "values"),
    [("rk4", {}), ("euler", {"substeps": 2}), ("euler", {"input_interpolation": "linear"})],
)
def test_other_discretisations_fall_back_to_scan(scheme, values):
    cell = make_cell("antisymmetric", scheme, **values)
    params = cell.init(jax.random.key(0), 1, 3, init_scale=1.0)
    assert choose_backend("native", cell, params).backend == "scan"


@pytest.mark.parametrize(
    ("name", "scheme"), [("antisymmetric", "ab2"), ("hamiltonian", "symplectic_euler")]
)
def test_a_scheme_with_a_kernel_and_no_adjoint_says_so(name, scheme):
    cell = make_cell(name, scheme)
    params = cell.init(jax.random.key(0), 1, 4, init_scale=1.0)
    choice = choose_backend("adjoint", cell, params)
    assert choice.backend == "scan"
    assert "no adjoint recurrence for this cell and discretisation" in str(choice.note)


def test_a_fall_back_is_said_once(caplog):
    kernels._say_once.cache_clear()
    cell, arguments = problem("lstm", (2, 2, 3, 1))
    params, coefficients, inputs, _ = arguments
    with caplog.at_level(logging.WARNING, logger="asrnn"):
        for _ in range(3):
            unroll(cell, params, coefficients, inputs, backend="adjoint")
    assert len(caplog.records) == 1


def test_an_unknown_backend_is_refused_with_the_names():
    cell, (params, *_) = problem("antisymmetric", SIZES[0])
    with pytest.raises(ConfigError, match="auto, scan, adjoint, native; found 'nativ'; did"):
        choose_backend("nativ", cell, params)
