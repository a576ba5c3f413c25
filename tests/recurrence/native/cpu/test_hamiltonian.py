"""The kernel for position and momentum, held to its equations as a scan in float64."""

import functools
from functools import partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.recurrence.native.cpu import hamiltonian_unroll
from tests.recurrence.native.agreement import (
    assert_close,
    assert_not_finite_alike,
    assert_same_bits,
)
from tests.recurrence.native.reference import Arrays, Sizes, as_jax, cotangents, differentiate

# Units, of which half are positions: one row of one unit, odd halves, more than a panel of each.
SIZES = [Sizes(1, 1, 2, 1, False), Sizes(2, 5, 6, 3, True), Sizes(37, 5, 66, 96, False)]
LARGE = Sizes(37, 130, 140, 1, True)
STEP_SIZE, DIFFUSION, INPUTS, STATE = 5, 6, 7, 8
EVERYTHING = tuple(range(9))


def random_arguments(sizes: Sizes, seed: int = 0, diffusion: float = 0.05) -> Arrays:
    """Arguments of `hamiltonian_unroll`: K of variance 2/n, V of 1/m, step size 0.1."""
    rng = np.random.default_rng(seed)
    T, B, n, m, gated = sizes
    kernels = [(rng.normal(size=(m, n)) / np.sqrt(m), 0.1 * rng.normal(size=n)) for _ in range(2)]
    arguments = (
        rng.normal(size=(n // 2, n // 2)) / np.sqrt(n / 2),
        *kernels[0],
        *(kernels[1] if gated else (None, None)),
        np.array(0.1),
        np.array(diffusion),
        rng.uniform(size=(T, B, m)),
        0.5 * rng.normal(size=(B, n)),
    )
    return tuple(None if a is None else a.astype(np.float32) for a in arguments)


def scan(K, V, b, Vz, bz, step_size, diffusion, x, h, *, return_states, remat=False):
    """The equations, as they are written in `asrnn.recurrence.native.cpu`."""
    del remat
    p = K.shape[0]

    def half(state, recurrent, x_t, columns):
        u = recurrent + x_t @ V[:, columns] + b[None, columns]
        rate = jnp.tanh(u - diffusion * state)
        if Vz is not None:
            rate *= jax.nn.sigmoid(recurrent + x_t @ Vz[:, columns] + bz[None, columns])
        return state + step_size * rate

    def step(h, x_t):
        y, z = h[:, :p], h[:, p:]
        z = half(z, -y @ K, x_t, slice(p, None))
        y = half(y, z @ K.T, x_t, slice(None, p))
        h = jnp.concatenate([y, z], axis=1)
        return h, h

    final, states = jax.lax.scan(step, h, x)
    return final, states if return_states else None


@functools.cache
def exact(sizes: Sizes, diffusion: float = 0.05, return_states: bool = True) -> Any:
    """Results and gradients of `scan` in float64, on numbers that are float32."""
    wide = [
        None if a is None else a.astype(np.float64) for a in random_arguments(sizes, 0, diffusion)
    ]
    with jax.enable_x64(True):
        found = differentiate(
            scan, wide, *cotangents(sizes, return_states), return_states=return_states
        )
        return jax.tree.map(np.asarray, found)


def run(sizes: Sizes, diffusion: float = 0.05, **options: Any) -> Any:
    options = {"return_states": True, **options}
    weights = cotangents(sizes, options["return_states"])
    arguments = random_arguments(sizes, 0, diffusion)
    return differentiate(hamiltonian_unroll, arguments, *weights, **options)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_agrees_with_float64(sizes: Sizes, instruction_set: str) -> None:
    found, expected = run(sizes), exact(sizes)
    assert_close(found[0], expected[0], 1e-6)
    assert_close(found[1], expected[1], 5e-6)


@pytest.mark.parametrize(
    ("remat", "return_states"),
    [(True, True), ("reverse", True), pytest.param("reverse", False, marks=pytest.mark.slow)],
)
def test_remat_changes_nothing_but_memory(remat: Any, return_states: bool, kernel: None) -> None:
    """Bit for bit where the activations are computed again, to rounding where it goes back."""
    found = run(LARGE, 0.0, remat=remat, return_states=return_states)
    expected = exact(LARGE, 0.0, return_states)
    assert_close(found[0], expected[0], 1e-6)
    assert_close(found[1], expected[1], 5e-6)
    if remat is True:
        assert_same_bits(found, run(LARGE, 0.0, return_states=return_states))


def test_same_bits_with_any_number_of_threads(kernel: None) -> None:
    first, *others = (run(LARGE, threads=threads) for threads in (1, 3, None))
    for other in others:
        assert_same_bits(other, first)


def test_the_way_back_is_for_reversible_steps(kernel: None) -> None:
    message = r"remat=reverse needs a diffusion of 0, found 0\.05"
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
        jax.block_until_ready(run(SIZES[1], 0.05, remat="reverse"))


def test_the_way_back_keeps_one_state_whatever_the_length(kernel: None) -> None:
    def kept(steps: int, remat: Any) -> list[int]:
        arguments = as_jax(random_arguments(Sizes(steps, 5, 6, 3, True), 0, 0.0))
        fixed = partial(hamiltonian_unroll, return_states=False, remat=remat)
        _, pull = jax.vjp(lambda K: fixed(K, *arguments[1:])[0], arguments[0])
        given = {a.shape for a in arguments}
        return sum(a.size for a in jax.tree.leaves(pull) if a.shape not in given)

    assert kept(20, "reverse") == kept(2000, "reverse")
    assert kept(20, True) < kept(2000, True)


COEFFICIENTS = (None,) * 5 + (0, 0, None, None)
MEMBERS = [
    pytest.param((0,) * 9, False, id="everything", marks=pytest.mark.slow),
    pytest.param((0,) * 5 + (None,) * 4, False, id="parameters", marks=pytest.mark.slow),
    pytest.param(COEFFICIENTS, False, id="coefficients"),
    pytest.param((0,) * 9, "reverse", id="everything, going back"),
]


@pytest.mark.parametrize(("axes", "remat"), MEMBERS)
def test_vmap_of_value_and_gradient(axes: tuple[int | None, ...], remat: Any, kernel: None) -> None:
    sizes = Sizes(12, 19, 24, 2, True)
    members = [as_jax(random_arguments(sizes, seed, 0.0)) for seed in range(3)]
    many = [jnp.stack(parts) for parts in zip(*members, strict=True)]
    given = [a if axis == 0 else a[0] for a, axis in zip(many, axes, strict=True)]

    def transformed(unroll: Any) -> Any:
        def loss(*args: jax.Array) -> jax.Array:
            final, states = unroll(*args, return_states=True, remat=remat)
            return jnp.sum(jnp.sin(final)) + jnp.sum(jnp.cos(states))

        return jax.jit(jax.vmap(jax.value_and_grad(loss, EVERYTHING), axes))(*given)

    assert_close(transformed(hamiltonian_unroll), transformed(scan), 1e-5)


def test_a_population_member_has_the_bits_of_a_single_model(kernel: None) -> None:
    sizes = Sizes(12, 19, 24, 2, True)
    members = [as_jax(random_arguments(sizes, seed)) for seed in range(3)]
    many = [jnp.stack(parts) for parts in zip(*members, strict=True)]
    weights = tuple(jnp.asarray(one) for one in cotangents(sizes, True))

    def gradients(*args: jax.Array) -> Any:
        results, pull = jax.vjp(partial(hamiltonian_unroll, return_states=True), *args)
        return results, pull(weights)

    together = jax.jit(jax.vmap(gradients))(*many)
    for i, one in enumerate(members):
        own = jax.tree.map(itemgetter(i), together)
        assert_same_bits(own, jax.jit(gradients)(*one))


@pytest.mark.parametrize(
    ("value", "gated", "place"),
    [(np.nan, True, 0), (np.inf, False, INPUTS), (np.nan, False, STATE)],
    ids=["coupling", "input", "state"],
)
def test_what_is_not_finite_spreads_as_in_scan(
    value: float, gated: bool, place: int, instruction_set: str
) -> None:
    arguments = random_arguments(Sizes(3, 18, 20, 2, gated))
    assert_not_finite_alike(arguments, place, value, hamiltonian_unroll, scan)


def test_padding_beside_an_infinite_state_stays_out_of_the_gradients(kernel: None) -> None:
    """Halves of 10 leave part of a vector empty; what stands there must not be summed."""
    arguments = list(as_jax(random_arguments(Sizes(6, 4, 20, 2, False))))
    arguments[STATE] = arguments[STATE].at[0, 0].set(np.inf)

    def of_the_other_rows(unroll: Any) -> Any:
        def loss(step_size: jax.Array) -> jax.Array:
            changed = (*arguments[:STEP_SIZE], step_size, *arguments[DIFFUSION:])
            return unroll(*changed, return_states=False)[0][1:].sum()

        return jax.jit(jax.grad(loss))(arguments[STEP_SIZE])

    expected = of_the_other_rows(scan)
    assert np.isfinite(expected)
    np.testing.assert_allclose(of_the_other_rows(hamiltonian_unroll), expected, rtol=1e-5)


def test_no_steps(kernel: None) -> None:
    sizes = Sizes(0, 4, 6, 2, True)
    (final, states), gradients = run(sizes)
    np.testing.assert_array_equal(final, random_arguments(sizes)[STATE])
    assert states.shape == (0, 4, 6)
    np.testing.assert_array_equal(gradients[-1], cotangents(sizes, True)[0])
    assert not any(np.any(gradient) for gradient in gradients[:-1])


def test_computes_only_what_is_asked_for(kernel: None) -> None:
    arguments = as_jax(random_arguments(Sizes(12, 19, 24, 2, True)))

    def results_of_backward(*wanted: int) -> str:
        def loss(*args: jax.Array) -> jax.Array:
            return jnp.sum(hamiltonian_unroll(*args, return_states=False)[0])

        text = jax.jit(jax.grad(loss, wanted)).lower(*arguments).as_text()
        (line,) = [one for one in text.splitlines() if "@asrnn_cpu_backward" in one]
        return line.rsplit("->")[-1]

    coupling, inputs, nothing = "tensor<1x12x12xf32>", "tensor<1x12x19x2xf32>", "tensor<1x0xf32>"
    parameters = results_of_backward(*range(STEP_SIZE))
    assert coupling in parameters
    assert parameters.count(nothing) == 2  # diffusion and inputs
    assert inputs in results_of_backward(INPUTS)
    assert results_of_backward(INPUTS).count(nothing) == 6
    assert results_of_backward(DIFFUSION).count(nothing) == 6


def test_mistakes_are_named(kernel: None) -> None:
    arguments = list(as_jax(random_arguments(Sizes(3, 4, 6, 2, False))))
    arguments[0] = jnp.zeros((2, 2))
    with pytest.raises(ValueError, match=r"input_kernel has shape \(2, 6\), expected \(2, 4\)"):
        hamiltonian_unroll(*arguments, return_states=False)
