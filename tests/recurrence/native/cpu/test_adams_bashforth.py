"""The kernel of Adams and Bashforth's method, held to its equations as a scan in float64."""

import functools
from functools import partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.recurrence.native import cpu
from tests.recurrence.native.agreement import (
    assert_close,
    assert_not_finite_alike,
    assert_same_bits,
)
from tests.recurrence.native.reference import Arrays, Sizes, as_jax, differentiate
from tests.recurrence.native.reference import random_arguments as arguments_of_one_step

# One row of one unit; with a gate, two chunks and panels; many inputs. LARGE has several slices.
SIZES = [Sizes(1, 1, 1, 1, False), Sizes(37, 5, 34, 3, True), Sizes(37, 5, 66, 96, False)]
LARGE = Sizes(70, 40, 70, 1, True)
STEP_SIZE, INPUTS, STATE = 5, 6, 7

adams_bashforth_unroll = partial(cpu.unroll, adams_bashforth=True)


def random_arguments(sizes: Sizes, seed: int = 0, step_size: float = 0.1) -> Arrays:
    """Arguments of `adams_bashforth_unroll`: those of `unroll` with a slope beside the state."""
    *others, state = arguments_of_one_step(sizes, seed, step_size)
    rng = np.random.default_rng(seed + 1)
    slope = rng.normal(size=(sizes.batch, sizes.units)).astype(np.float32)
    return *others, np.concatenate([state, slope], axis=1)


def cotangents(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Of state and slope at the end, and of every state."""
    rng = np.random.default_rng(7)
    T, B, n, *_ = sizes
    return (
        rng.normal(size=(B, 2 * n)).astype(np.float32),
        rng.normal(size=(T, B, n)).astype(np.float32),
    )


def scan(A, V, b, Vz, bz, step_size, x, carried, *, return_states, remat=False):
    """The equations, as they are written in `asrnn.recurrence.native.cpu`."""
    del remat
    n = A.shape[0]

    def step(carry, x_t):
        h, before = carry
        shared = h @ A.T
        slope = jnp.tanh(shared + x_t @ V + b[None])
        if Vz is not None:
            slope *= jax.nn.sigmoid(shared + x_t @ Vz + bz[None])
        h = h + step_size * (1.5 * slope - 0.5 * before)
        return (h, slope), h

    last, states = jax.lax.scan(step, (carried[:, :n], carried[:, n:]), x)
    return jnp.concatenate(last, axis=1), states if return_states else None


@functools.cache
def exact(sizes: Sizes, step_size: float = 0.1) -> Any:
    """Results and gradients of `scan` in float64, on numbers that are float32."""
    arguments = random_arguments(sizes, 0, step_size)
    wide = [None if a is None else a.astype(np.float64) for a in arguments]
    with jax.enable_x64(True):
        found = differentiate(scan, wide, *cotangents(sizes), return_states=True)
        return jax.tree.map(np.asarray, found)


def run(sizes: Sizes, step_size: float = 0.1, **options: Any) -> Any:
    arguments = random_arguments(sizes, 0, step_size)
    options = {"return_states": True, **options}
    return differentiate(adams_bashforth_unroll, arguments, *cotangents(sizes), **options)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_agrees_with_float64(sizes: Sizes, instruction_set: str) -> None:
    found, expected = run(sizes), exact(sizes)
    assert_close(found[0], expected[0], 1e-6)
    assert_close(found[1], expected[1], 5e-6)


def test_a_step_of_size_0_hands_the_slope_on(kernel: None) -> None:
    """The state stands still, and the gradient of the final slope still finds its way."""
    sizes = Sizes(9, 5, 17, 3, True)
    found, expected = run(sizes, 0.0), exact(sizes, 0.0)
    assert_close(found[0], expected[0], 1e-6)
    assert_close(found[1], expected[1], 5e-6)


def test_remat_and_threads_change_no_bit(kernel: None) -> None:
    kept = run(LARGE, threads=1)
    assert_close(kept, exact(LARGE), 5e-6)
    for options in ({"remat": True}, {"threads": 3}):
        assert_same_bits(run(LARGE, **options), kept)


PARTIAL = [pytest.param((STATE,), id="state"), pytest.param((INPUTS, 1), id="inputs, V")]


@pytest.mark.parametrize("wanted", PARTIAL)
def test_gradients_of_some_arguments_are_those_of_scan(
    wanted: tuple[int, ...], kernel: None
) -> None:
    """What nobody asks for is not computed, nor are the states returned."""
    arguments = as_jax(random_arguments(Sizes(37, 19, 24, 2, True)))

    def gradients(unroll: Any) -> Any:
        def loss(*args: jax.Array) -> jax.Array:
            return jnp.sum(jnp.sin(unroll(*args, return_states=False)[0]))

        return jax.jit(jax.grad(loss, wanted))(*arguments)

    assert_close(gradients(adams_bashforth_unroll), gradients(scan), 1e-5)


SHARED = [
    pytest.param((0,) * 8, id="nothing"),
    pytest.param((None,) * 5 + (0, None, None), id="all but the step size"),
]


@pytest.mark.parametrize("axes", SHARED)
def test_vmap_with_shared_arguments(axes: tuple[int | None, ...], kernel: None) -> None:
    members = [as_jax(random_arguments(Sizes(12, 19, 24, 2, True), seed)) for seed in range(3)]
    many = [jnp.stack(parts) for parts in zip(*members, strict=True)]
    given = [a if axis == 0 else a[0] for a, axis in zip(many, axes, strict=True)]

    def transformed(unroll: Any) -> Any:
        def loss(*args: jax.Array) -> jax.Array:
            final, states = unroll(*args, return_states=True)
            return jnp.sum(jnp.sin(final)) + jnp.sum(jnp.cos(states))

        return jax.jit(jax.vmap(jax.value_and_grad(loss, range(8)), axes))(*given)

    assert_close(transformed(adams_bashforth_unroll), transformed(scan), 1e-5)


def test_a_population_member_has_the_bits_of_a_single_model(kernel: None) -> None:
    sizes = Sizes(12, 19, 24, 2, True)
    members = [as_jax(random_arguments(sizes, seed)) for seed in range(3)]
    many = [jnp.stack(parts) for parts in zip(*members, strict=True)]

    def gradients(*args: jax.Array) -> Any:
        results, pull = jax.vjp(partial(adams_bashforth_unroll, return_states=True), *args)
        return results, pull(tuple(jnp.asarray(one) for one in cotangents(sizes)))

    together = jax.jit(jax.vmap(gradients))(*many)
    for i, one in enumerate(members):
        assert_same_bits(jax.tree.map(itemgetter(i), together), jax.jit(gradients)(*one))


@pytest.mark.parametrize(
    ("value", "gated", "place"),
    [(np.nan, True, 0), (np.inf, False, INPUTS), (np.nan, False, STATE)],
    ids=["matrix", "input", "state"],
)
def test_what_is_not_finite_spreads_as_in_scan(
    value: float, gated: bool, place: int, instruction_set: str
) -> None:
    arguments = random_arguments(Sizes(3, 18, 20, 2, gated))
    assert_not_finite_alike(arguments, place, value, adams_bashforth_unroll, scan)


def test_padding_beside_an_infinite_state_stays_out_of_the_gradients(kernel: None) -> None:
    """10 units leave part of a vector empty; what stands there must not be summed."""
    arguments = list(as_jax(random_arguments(Sizes(6, 4, 10, 2, False))))
    arguments[STATE] = arguments[STATE].at[0, 0].set(np.inf)

    def of_the_other_rows(unroll: Any) -> Any:
        def loss(step_size: jax.Array) -> jax.Array:
            changed = (*arguments[:STEP_SIZE], step_size, *arguments[STEP_SIZE + 1 :])
            return unroll(*changed, return_states=False)[0][1:].sum()

        return jax.jit(jax.grad(loss))(arguments[STEP_SIZE])

    expected = of_the_other_rows(scan)
    assert np.isfinite(expected)
    np.testing.assert_allclose(of_the_other_rows(adams_bashforth_unroll), expected, rtol=1e-5)


def test_no_steps(kernel: None) -> None:
    sizes = Sizes(0, 4, 6, 2, True)
    (final, states), gradients = run(sizes)
    np.testing.assert_array_equal(final, random_arguments(sizes)[STATE])
    assert states.shape == (0, 4, 6)
    np.testing.assert_array_equal(gradients[-1], cotangents(sizes)[0])
    assert not any(np.any(gradient) for gradient in gradients[:-1])


def test_mistakes_are_named(kernel: None) -> None:
    arguments = list(as_jax(random_arguments(Sizes(3, 4, 6, 2, False))))
    arguments[STATE] = jnp.zeros((4, 6))
    with pytest.raises(ValueError, match=r"initial_state has shape \(4, 6\), expected \(4, 12\)"):
        adams_bashforth_unroll(*arguments, return_states=False)
