"""The kernels that round the operands of products to bfloat16, on machines with a unit for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import kernels, products_in
from asrnn.recurrence.native import cpu
from asrnn.recurrence.native.cpu import library
from tests.recurrence.native.agreement import (
    assert_close,
    assert_same_bits,
    assert_spreads_as_in_scan,
)
from tests.recurrence.native.cpu import test_adams_bashforth as adams_bashforth
from tests.recurrence.native.cpu import test_hamiltonian as hamiltonian
from tests.recurrence.native.reference import (
    Sizes,
    as_jax,
    cotangents,
    differentiate,
    distance,
    forward64,
    gradients64,
    largest_error,
    random_arguments,
)

# Of values and of gradients, relative: 2^-8 and 2^-16 in a term, and sums of a few dozen of them.
BOUNDS = {"bfloat16": (8e-3, 3e-2), "bfloat16_3x": (1e-5, 4e-5)}
# What no rounding would have shown: the error of a kernel in float32 is below.
LEAST = {"bfloat16": 1e-4, "bfloat16_3x": 2e-7}
# Depths of one block and less, of more than one, of more than eight; of a drive too.
SIZES = [
    Sizes(9, 33, 17, 3, True),
    Sizes(40, 3, 32, 31, False),
    Sizes(5, 20, 130, 96, True),
    Sizes(3, 17, 300, 40, False),
]


def rounded(values: np.ndarray) -> np.ndarray:
    return np.asarray(jnp.asarray(values).astype(jnp.bfloat16).astype(jnp.float32), np.float64)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_agrees_with_float64_to_the_precision(sizes: Sizes, rounding: str) -> None:
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    (final, states), gradients = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    values, slopes = BOUNDS[rounding]
    exact = forward64(arguments)
    assert LEAST[rounding] < distance(final, exact[-1]) < values
    assert distance(states, exact[1:]) < values
    assert largest_error(gradients, gradients64(arguments, *weights)) < slopes


@pytest.mark.parametrize("sizes", [hamiltonian.SIZES[2], hamiltonian.LARGE], ids=str)
def test_position_and_momentum_agree_with_float64_to_the_precision(
    sizes: Sizes, rounding: str
) -> None:
    found = hamiltonian.run(sizes)
    with jax.default_matmul_precision("float32"):
        expected = hamiltonian.exact(sizes)
    for one, other, bound in zip(found, expected, BOUNDS[rounding], strict=True):
        assert_close(one, other, bound)


@contextmanager
def rounded_to(name: str) -> Iterator[None]:
    """Products of that kind, or a skip that says why there are none."""
    if reason := library.obstacle_to_rounding():
        pytest.skip(reason)
    with products_in(name):
        yield


def test_a_step_is_that_of_operands_in_bfloat16(kernel: None) -> None:
    arguments = random_arguments(Sizes(1, 5, 48, 40, False))
    A, V, b, _, _, step_size, x, h = arguments
    u = rounded(h) @ rounded(A).T + rounded(x[0]) @ rounded(V) + rounded(b)
    with rounded_to("bfloat16"):
        final, _ = cpu.unroll(*as_jax(arguments), return_states=False)
    assert distance(final, h + step_size * np.tanh(u)) < 1e-6


def test_same_bits_with_any_number_of_threads(rounding: str) -> None:
    sizes = Sizes(21, 50, 40, 20, True)
    arguments, weights = random_arguments(sizes), cotangents(sizes, True)
    first, *others = (
        differentiate(cpu.unroll, arguments, *weights, return_states=True, threads=threads)
        for threads in (1, 2, None)
    )
    for other in others:
        assert_same_bits(other, first)


def test_same_bits_when_activations_are_computed_again(
    rounding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(50, 30, 40, 2, True)
    arguments, weights = random_arguments(sizes), cotangents(sizes, True)
    kept = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    monkeypatch.setenv("ASRNN_NATIVE_TRACE_MB", "0")
    again = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    assert_same_bits(again, kept)


@pytest.mark.parametrize("place", ["state", "matrix", "input"])
def test_nan_spreads_as_in_scan(place: str, rounding: str) -> None:
    sizes = Sizes(2, 18, 20, 20, True)
    assert_spreads_as_in_scan(cpu.unroll, sizes, place, np.nan, BOUNDS[rounding][0])


def test_infinity_spreads_as_in_scan(kernel: None) -> None:
    with rounded_to("bfloat16"):
        assert_spreads_as_in_scan(
            cpu.unroll, Sizes(1, 18, 20, 20, False), "matrix", -np.inf, BOUNDS["bfloat16"][0]
        )


@pytest.mark.parametrize(
    ("units", "inputs", "rounds"), [(16, 15, False), (17, 15, True), (16, 16, True)]
)
def test_what_gains_nothing_stays_in_float32(
    units: int, inputs: int, rounds: bool, kernel: None
) -> None:
    arguments = as_jax(random_arguments(Sizes(3, 7, units, inputs, False)))
    exact, _ = cpu.unroll(*arguments, return_states=False)
    with rounded_to("bfloat16"):
        found, _ = cpu.unroll(*arguments, return_states=False)
    assert (distance(found, exact) > 1e-5) == rounds


@pytest.mark.parametrize("sizes", [Sizes(0, 4, 40, 20, True), Sizes(4, 1, 40, 1, True)], ids=str)
def test_no_steps_and_a_single_sequence(sizes: Sizes, rounding: str) -> None:
    arguments, weights = random_arguments(sizes), cotangents(sizes, True)
    (final, _), gradients = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    values, slopes = BOUNDS[rounding]
    assert distance(final, forward64(arguments)[-1]) < values
    assert largest_error(gradients, gradients64(arguments, *weights)) < slopes


def test_a_member_of_a_population_has_the_bits_of_a_single_model(rounding: str) -> None:
    sizes = Sizes(5, 19, 40, 20, True)
    both = [as_jax(random_arguments(sizes, seed)) for seed in (0, 1)]

    def gradients(*arguments: jax.Array) -> Any:
        def loss(*arguments: jax.Array) -> jax.Array:
            return jnp.sum(cpu.unroll(*arguments, return_states=False)[0])

        return jax.grad(loss, argnums=tuple(range(8)))(*arguments)

    stacked = jax.jit(jax.vmap(gradients))(*map(jnp.stack, zip(*both, strict=True)))
    for index, arguments in enumerate(both):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], stacked)
        assert_same_bits(member, jax.jit(gradients)(*arguments))


def test_adams_and_bashforth_agree_with_float64_to_the_precision(rounding: str) -> None:
    sizes = adams_bashforth.SIZES[2]
    found = adams_bashforth.run(sizes)
    with jax.default_matmul_precision("float32"):
        expected = adams_bashforth.exact(sizes)
    for one, other, bound in zip(found, expected, BOUNDS[rounding], strict=True):
        assert_close(one, other, bound)


def last_state(precision: str, backend: str = "native") -> np.ndarray:
    cell = make_cell("antisymmetric", "euler")
    params = cell.init(jax.random.key(0), 3, 64, init_scale=1.0)
    inputs = jax.random.uniform(jax.random.key(1), (7, 5, 3))
    scalars = {"step_size": 0.1, "diffusion": 0.1}
    last, _ = kernels.unroll(cell, params, scalars, inputs, backend=backend, precision=precision)
    return np.asarray(last)


def test_the_precision_is_an_argument_of_unroll(rounding: str) -> None:
    found = last_state("default")
    with jax.default_matmul_precision("float32"):
        exact = last_state("default")
        np.testing.assert_array_equal(last_state(rounding), found)
    np.testing.assert_array_equal(last_state("float32"), exact)
    assert LEAST[rounding] / 3 < distance(found, exact) < BOUNDS[rounding][0]


def test_float32_is_what_runs_without_a_unit_and_is_said(
    kernel: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "obstacle_to_rounding", lambda: "the processor has no unit")
    kernels._say_once.cache_clear()
    np.testing.assert_array_equal(last_state("bfloat16"), last_state("float32"))
    (record,) = caplog.records
    assert record.getMessage().startswith("no products in bfloat16 (the processor")


@pytest.mark.parametrize("backend", ["scan", "adjoint"])
def test_other_backends_stay_in_float32_on_a_cpu_and_say_so(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    kernels._say_once.cache_clear()
    exact = last_state("float32", backend)
    np.testing.assert_array_equal(last_state("bfloat16", backend), exact)
    (record,) = caplog.records
    assert f"on a CPU {backend} multiplies in float32" in record.getMessage()


@pytest.mark.parametrize("remat", ["none", "reverse"])
def test_a_backward_pass_by_hand_has_the_precision_of_the_forward_pass(remat: str) -> None:
    cell = make_cell("hamiltonian" if remat == "reverse" else "antisymmetric")
    cell = make_cell("hamiltonian", "leapfrog") if remat == "reverse" else cell
    params = cell.init(jax.random.key(0), 3, 8, init_scale=1.0)
    scalars = {"step_size": 0.1, "diffusion": 0.0}
    backend = "scan" if remat == "reverse" else "adjoint"

    def loss(params: Any) -> jax.Array:
        with jax.default_matmul_precision("BF16_BF16_F32"):
            last, _ = kernels.unroll(
                cell, params, scalars, jnp.ones((2, 3, 3)), backend=backend, remat=remat
            )
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(last))

    text = str(jax.make_jaxpr(jax.grad(loss))(params))
    assert "BF16_BF16_F32" in text
    assert text.count("dot_general[") == text.count("precision=BF16_BF16_F32")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "half"}, "recurrence.precision must be one of default, bfloat16"),
        ({"dtype": jnp.float64}, "for parameters in float32, found float64"),
        ({"remat": "reverse"}, "recurrence.remat=reverse takes steps back"),
    ],
)
def test_what_cannot_be_rounded_is_refused_in_one_line(
    changes: dict[str, Any], words: str, x64: None
) -> None:
    cell = make_cell("hamiltonian", "symplectic_euler")
    params = cell.init(jax.random.key(0), 3, 8, init_scale=1.0)
    dtype = changes.get("dtype", jnp.float32)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    with pytest.raises(ConfigError, match=words) as refused:
        kernels.unroll(
            cell,
            params,
            {"step_size": 0.1, "diffusion": 0.0},
            jnp.ones((2, 3, 3)),
            precision=changes.get("precision", "bfloat16"),
            remat=changes.get("remat", "none"),
        )
    assert "\n" not in str(refused.value)
