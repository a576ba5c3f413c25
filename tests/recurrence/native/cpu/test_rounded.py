"""The kernels that round the operands of products to bfloat16, on machines with a unit for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.dynamics import make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import kernels
from asrnn.recurrence.native import cpu
from asrnn.recurrence.native.cpu import library
from tests.recurrence.native.agreement import (
    assert_close,
    assert_same_bits,
    assert_spreads_as_in_scan,
)
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

# Of values and of gradients, relative: 2^-9 and 2^-16 in a term, and sums of a few dozen of them.
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


def test_a_step_is_that_of_operands_in_bfloat16(kernel: None) -> None:
    if reason := library.reason_not_rounded():
        pytest.skip(reason)
    arguments = random_arguments(Sizes(1, 5, 48, 40, False))
    A, V, b, _, _, step_size, x, h = arguments
    u = rounded(h) @ rounded(A).T + rounded(x[0]) @ rounded(V) + rounded(b)
    with jax.default_matmul_precision("BF16_BF16_F32"):
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


def test_nan_spreads_as_in_scan(rounding: str) -> None:
    assert_spreads_as_in_scan(
        cpu.unroll, Sizes(1, 18, 20, 2, True), "state", np.nan, BOUNDS[rounding][0]
    )


def last_state(precision: str) -> np.ndarray:
    cell = make_cell("antisymmetric", "euler")
    params = cell.init(jax.random.key(0), 3, 64, init_scale=1.0)
    inputs = jax.random.uniform(jax.random.key(1), (7, 5, 3))
    scalars = {"step_size": 0.1, "diffusion": 0.1}
    last, _ = kernels.unroll(cell, params, scalars, inputs, backend="native", precision=precision)
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
    monkeypatch.setattr(library, "reason_not_rounded", lambda: "the processor has no unit")
    kernels._say_once.cache_clear()
    np.testing.assert_array_equal(last_state("bfloat16"), last_state("float32"))
    (record,) = caplog.records
    assert record.getMessage().startswith("no products in bfloat16 (the processor")


def test_an_unknown_precision_is_refused_with_the_names() -> None:
    with pytest.raises(ConfigError, match=r"recurrence\.precision.*bfloat16_3x.*'half'"):
        last_state("half")
