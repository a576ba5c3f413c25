"""Values and gradients against float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asrnn.recurrence.native import cuda
from tests.recurrence.native.agreement import (
    assert_agrees_over_a_long_sequence,
    assert_agrees_with_float64,
    assert_spreads_as_in_scan,
    assert_stands_still_without_steps,
)
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
    scan,
)

SIZES = [
    Sizes(1, 1, 1, 1, False),
    Sizes(1, 1, 1, 1, True),
    Sizes(20, 3, 3, 1, False),
    Sizes(9, 5, 33, 3, True),
    Sizes(12, 2, 64, 4, False),
    Sizes(12, 3, 70, 5, False),
    Sizes(6, 2, 100, 31, True),
    Sizes(3, 300, 8, 2, True),
    Sizes(10, 2, 128, 1, False),
    Sizes(10, 2, 128, 1, True),
    Sizes(5, 2, 130, 2, False),
    Sizes(5, 2, 192, 3, True),
    Sizes(5, 2, 256, 3, False),
    Sizes(5, 2, 256, 96, True),
]
IDS = [f"T{s.steps}-B{s.batch}-n{s.units}-m{s.inputs}-{s.gated}" for s in SIZES]
EACH_KERNEL = [Sizes(9, 5, 33, 3, True), Sizes(12, 3, 70, 5, False)]
CASES = [
    pytest.param(sizes, id=name, marks=pytest.mark.ci if sizes in EACH_KERNEL else ())
    for sizes, name in zip(SIZES, IDS, strict=True)
]


@pytest.mark.parametrize("return_states", [False, True])
@pytest.mark.parametrize("sizes", CASES)
def test_agrees_with_float64(sizes: Sizes, return_states: bool, kernel: None) -> None:
    assert_agrees_with_float64(cuda.unroll, sizes, return_states=return_states)


@pytest.mark.parametrize("gated", [False, True])
def test_long_sequence_of_the_paper(gated: bool, kernel: None) -> None:
    assert_agrees_over_a_long_sequence(cuda.unroll, Sizes(784, 2, 128, 1, gated))


@pytest.mark.gpu
@pytest.mark.parametrize("batch", [133, 265, 1000])
@pytest.mark.parametrize("units", [128, 256])
def test_more_sequences_than_multiprocessors(units: int, batch: int, on_a_gpu: None) -> None:
    sizes = Sizes(20, batch, units, 3, True)
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    (final, _), gradients = differentiate(cuda.unroll, arguments, *weights, return_states=True)
    assert distance(final, forward64(arguments)[-1]) < 1e-6
    assert largest_error(gradients, gradients64(arguments, *weights)) < 5e-6


@pytest.mark.gpu
def test_a_population_of_thousands_of_sequences(on_a_gpu: None) -> None:
    sizes = Sizes(20, 128, 128, 1, False)
    members = [random_arguments(sizes, seed) for seed in range(32)]
    weights = cotangents(sizes, True)
    stacked = tuple(
        None if parts[0] is None else jnp.stack(parts) for parts in zip(*members, strict=True)
    )

    def results(*arguments: jax.Array | None):
        found, pull = jax.vjp(partial(cuda.unroll, return_states=True), *arguments)
        return found, pull(as_jax(weights))

    (final, states), gradients = jax.jit(jax.vmap(results))(*stacked)
    for i, arguments in enumerate(members):
        exact = forward64(arguments)
        assert distance(final[i], exact[-1]) < 1e-6
        assert distance(states[i], exact[1:]) < 1e-6
        own = [gradient[i] for gradient in gradients if gradient is not None]
        assert largest_error(own, gradients64(arguments, *weights)) < 5e-6


few_sizes = st.builds(
    Sizes,
    steps=st.integers(1, 20),
    batch=st.integers(1, 5),
    units=st.integers(1, 70),
    inputs=st.integers(1, 8),
    gated=st.booleans(),
)


# Nothing is shrunk: each example is compiled twice, and its sizes are small.
@settings(
    derandomize=True,
    deadline=None,
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sizes=few_sizes, seed=st.integers(0, 99))
def test_any_sizes(sizes: Sizes, seed: int, kernel: None) -> None:
    arguments = random_arguments(sizes, seed)
    weights = cotangents(sizes, True)
    found, gradients = differentiate(cuda.unroll, arguments, *weights, return_states=True)
    expected = scan(*as_jax(arguments), return_states=True)
    for one, other in zip(found, expected, strict=True):
        assert distance(one, other) < 2e-6
    assert largest_error(gradients, gradients64(arguments, *weights)) < 5e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["input", "state", "matrix"])
@pytest.mark.parametrize("gated", [False, True])
def test_nan_and_infinity_spread_as_in_scan(
    value: float, place: str, gated: bool, kernel: None
) -> None:
    assert_spreads_as_in_scan(cuda.unroll, Sizes(3, 3, 20, 2, gated), place, value)


@pytest.mark.parametrize("inputs", [2, 6])
def test_no_steps(inputs: int, kernel: None) -> None:
    assert_stands_still_without_steps(cuda.unroll, Sizes(0, 4, 5, inputs, True))


@pytest.mark.parametrize("gated", [False, True])
def test_remat_changes_rounding_at_most(gated: bool, kernel: None) -> None:
    sizes = Sizes(11, 2, 33, 2, gated)
    arguments = random_arguments(sizes)
    weights = cotangents(sizes, True)
    plain = differentiate(cuda.unroll, arguments, *weights, return_states=True)
    again = differentiate(cuda.unroll, arguments, *weights, return_states=True, remat=True)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        assert distance(one, other) < 1e-6


def results_of_calls(function, *args: jax.Array) -> list[list[str]]:
    """The result types of each call of the kernels, in order."""
    text = jax.jit(function).lower(*args).as_text().splitlines()
    calls = [line.rsplit("->")[-1] for line in text if "custom_call @asrnn_cuda" in line]
    return [call.strip(" ()").split(", ") for call in calls]


@pytest.mark.parametrize("inputs", [2, 6])
@pytest.mark.parametrize("gated", [False, True])
def test_computes_only_what_is_asked_for(inputs: int, gated: bool, kernel: None) -> None:
    args = as_jax(random_arguments(Sizes(12, 19, 24, inputs, gated)))
    nothing, states = "tensor<1x0xf32>", "tensor<1x12x19x24xf32>"

    def loss(*args: jax.Array) -> jax.Array:
        return jnp.sum(cuda.unroll(*args, return_states=False)[0])

    (forward,) = results_of_calls(loss, *args)
    assert forward[1:] == [nothing] * 4
    every = tuple(range(5)) if gated else (0, 1, 2)
    forward, backward = results_of_calls(jax.grad(loss, every), *args)
    assert forward[1:] == [nothing, states, states, states if gated else nothing]
    assert backward[0] == states
    assert (backward[1] == states) == (gated and inputs == 6)
    assert (backward[5] != nothing) == (inputs == 2)
    forward, backward = results_of_calls(jax.grad(loss, 7), *args)
    assert forward[2] == nothing
    assert backward[:2] + backward[4:] == [nothing] * 6
