"""Values and gradients against float64, for many sizes, instruction sets and settings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asrnn.recurrence.native import cpu
from tests.recurrence.native.agreement import (
    assert_agrees_over_a_long_sequence,
    assert_agrees_with_float64,
    assert_spreads_as_in_scan,
    assert_stands_still_without_steps,
)
from tests.recurrence.native.reference import (
    Sizes,
    any_sizes,
    as_jax,
    cotangents,
    differentiate,
    distance,
    gradients64,
    largest_error,
    random_arguments,
    scan,
)

SIZES = [
    Sizes(1, 1, 1, 1, False),
    Sizes(1, 1, 1, 1, True),
    Sizes(7, 5, 3, 1, False),
    Sizes(9, 33, 17, 3, True),
    Sizes(40, 3, 32, 31, False),
    Sizes(35, 17, 48, 32, True),
    Sizes(5, 20, 130, 96, False),
    Sizes(5, 20, 130, 96, True),
    Sizes(4, 15, 300, 2, True),
]
IDS = [f"T{s.steps}-B{s.batch}-n{s.units}-m{s.inputs}-{s.gated}" for s in SIZES]
# Of two neighbours one returns its states.
CASES = [(sizes, i % 3 != 1) for i, sizes in enumerate(SIZES)]


@pytest.mark.parametrize(("sizes", "return_states"), CASES, ids=IDS)
def test_agrees_with_float64(sizes: Sizes, return_states: bool, instruction_set: str) -> None:
    assert_agrees_with_float64(cpu.unroll, sizes, return_states=return_states)


@pytest.mark.parametrize("gated", [False, True])
def test_long_sequence_of_the_paper(gated: bool, kernel: None) -> None:
    assert_agrees_over_a_long_sequence(cpu.unroll, Sizes(784, 16, 128, 1, gated))


# Nothing is shrunk: each example is compiled, and its sizes are small.
@settings(
    derandomize=True,
    deadline=None,
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sizes=any_sizes, seed=st.integers(0, 99), threads=st.integers(1, 3))
def test_any_sizes(sizes: Sizes, seed: int, threads: int, kernel: None) -> None:
    arguments = random_arguments(sizes, seed)
    weights = cotangents(sizes, True)
    options = {"return_states": True}
    found, gradients = differentiate(cpu.unroll, arguments, *weights, threads=threads, **options)
    for one, other in zip(found, scan(*as_jax(arguments), **options), strict=True):
        assert distance(one, other) < 2e-6
    assert largest_error(gradients, gradients64(arguments, *weights)) < 5e-6


@pytest.mark.parametrize("gated", [False, True])
def test_same_bits_with_any_number_of_threads(gated: bool, kernel: None) -> None:
    sizes = Sizes(21, 50, 40, 2, gated)
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    runs = [
        differentiate(cpu.unroll, arguments, *weights, return_states=True, threads=threads)
        for threads in (1, 2, 3, None, 2)
    ]
    for other in runs[1:]:
        for a, b in zip(jax.tree.leaves(runs[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("gated", [False, True])
def test_same_bits_when_activations_are_computed_again(
    gated: bool, instruction_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(50, 30, 40, 2, gated)
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    kept = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    monkeypatch.setenv("ASRNN_NATIVE_TRACE_MB", "0")
    again = differentiate(cpu.unroll, arguments, *weights, return_states=True)
    for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("place", "value", "gated"),
    [("input", np.inf, False), ("state", np.nan, True), ("matrix", -np.inf, True)],
)
def test_nan_and_infinity_spread_as_in_scan(
    place: str, value: float, gated: bool, instruction_set: str
) -> None:
    assert_spreads_as_in_scan(cpu.unroll, Sizes(3, 18, 20, 2, gated), place, value)


def test_no_steps(kernel: None) -> None:
    assert_stands_still_without_steps(cpu.unroll, Sizes(0, 4, 5, 2, True))


def results_of_calls(function, *args: jax.Array) -> list[str]:
    """The result types of each call of the kernel, in order."""
    text = jax.jit(function).lower(*args).as_text().splitlines()
    return [line.rsplit("->")[-1] for line in text if "custom_call @asrnn_cpu" in line]


def test_computes_only_what_is_asked_for(kernel: None) -> None:
    args = as_jax(random_arguments(Sizes(12, 19, 24, 2, True)))
    states, inputs = "tensor<1x12x19x24xf32>", "tensor<1x12x19x2xf32>"
    matrix, nothing = "tensor<1x24x24xf32>", "tensor<1x0xf32>"

    def loss(*args: jax.Array) -> jax.Array:
        return jnp.sum(cpu.unroll(*args, return_states=False)[0])

    (forward,) = results_of_calls(loss, *args)
    assert states not in forward
    assert forward.count("x0x") == 3  # states, ticket, anchors
    _, backward = results_of_calls(jax.grad(loss, range(5)), *args)
    assert matrix in backward
    assert inputs not in backward
    _, backward = results_of_calls(jax.grad(loss, 6), *args)
    assert inputs in backward
    assert backward.count(nothing) == 6  # of the weights and the diffusion, which is in A
