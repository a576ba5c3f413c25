"""The kernels of both platforms under JAX's transformations."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from asrnn.recurrence.native import cpu, cuda
from tests.recurrence.native.reference import (
    Sizes,
    as_jax,
    cotangents,
    distance,
    random_arguments,
    scan,
)

SIZES = Sizes(12, 19, 24, 2, True)
scan_run = partial(scan, return_states=True)


Run = Callable[..., Any]


@pytest.fixture(
    params=[
        "cpu",
        pytest.param("simulated", marks=pytest.mark.slow),
        pytest.param("gpu", marks=pytest.mark.gpu),
    ]
)
def run(request: pytest.FixtureRequest, kernel_cache: str) -> Run:
    """A kernel's `unroll`, with all states."""
    if request.param == "gpu":
        assert jax.default_backend() == "gpu", "these tests need a GPU: make test-gpu"
    elif request.param == "simulated":
        request.getfixturevalue("cuda_kernels")
    elif reason := cpu.available():
        pytest.skip(reason)
    unroll = cpu.unroll if request.param == "cpu" else cuda.unroll
    return partial(unroll, return_states=True)


def arguments(seed: int = 0, sizes: Sizes = SIZES) -> tuple[jax.Array, ...]:
    return as_jax(random_arguments(sizes, seed))


def stack(seeds: range) -> tuple[jax.Array, ...]:
    return tuple(jnp.stack(parts) for parts in zip(*map(arguments, seeds), strict=True))


def weighted(unroll, *args: jax.Array) -> jax.Array:
    final, states = unroll(*args)
    return jnp.sum(jnp.sin(final)) + jnp.sum(jnp.cos(states))


def assert_close(found: object, expected: object, tolerance: float = 1e-4) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        assert distance(a, b) < tolerance


EVERYTHING = (0,) * 8
AXES = [
    pytest.param(EVERYTHING, id="everything"),
    pytest.param((0, 0, 0, 0, 0, None, None, None), id="parameters", marks=pytest.mark.slow),
    pytest.param((None,) * 5 + (0, None, None), id="step size"),
    pytest.param((None,) * 6 + (0, None), id="inputs", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("axes", AXES)
def test_vmap_of_value_and_gradient(run: Run, axes: tuple[int | None, ...]) -> None:
    many = stack(range(3))
    given = tuple(a if axis == 0 else a[0] for a, axis in zip(many, axes, strict=True))
    every = tuple(range(8))

    def transformed(unroll):
        loss = partial(weighted, unroll)
        return jax.jit(jax.vmap(jax.value_and_grad(loss, every), axes))(*given)

    assert_close(transformed(run), transformed(scan_run))


def test_gradient_of_vmap(run: Run) -> None:
    many = stack(range(3))
    shared = (*arguments()[:6], many[6], many[7])
    axes = (None,) * 6 + (0, 0)

    def gradient(unroll):
        def loss(*args: jax.Array) -> jax.Array:
            return jnp.sum(jax.vmap(partial(weighted, unroll), axes)(*args))

        return jax.jit(jax.grad(loss, tuple(range(8))))(*shared)

    assert_close(gradient(run), gradient(scan_run))


def test_vmap_of_vmap(run: Run) -> None:
    six = stack(range(6))
    grid = tuple(a.reshape(2, 3, *a.shape[1:]) for a in six)
    rows = (*grid[:5], six[5][:2], *grid[6:])
    axes = (0, 0, 0, 0, 0, None, 0, 0)

    def gradient(unroll):
        inner = jax.vmap(jax.grad(partial(weighted, unroll), (0, 5, 7)), axes)
        return jax.jit(jax.vmap(inner))(*rows)

    assert_close(gradient(run), gradient(scan_run))


def test_a_population_member_has_the_bits_of_a_single_model(run: Run) -> None:
    """The gradient in A is a product outside of the kernel, which may sum in another order."""
    many = stack(range(3))
    weights = tuple(jnp.asarray(one) for one in cotangents(SIZES, True))

    def made_by_the_kernels(*args: jax.Array) -> tuple[tuple[jax.Array, ...], jax.Array]:
        (final, states), pull = jax.vjp(run, *args)
        gradients = pull(weights)
        return (final, states, gradients[7]), gradients[0]

    together, matrices = jax.jit(jax.vmap(made_by_the_kernels))(*many)
    for i in range(3):
        alone, matrix = jax.jit(made_by_the_kernels)(*(a[i] for a in many))
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(one[i], other)
        assert distance(matrices[i], matrix) < 1e-6


def test_inside_loops_and_remat(run: Run) -> None:
    args = arguments()

    def descend(unroll, matrix: jax.Array) -> jax.Array:
        loss = jax.checkpoint(partial(weighted, unroll))

        def body(matrix: jax.Array, _: None) -> tuple[jax.Array, None]:
            return matrix - 1e-3 * jax.grad(loss)(matrix, *args[1:]), None

        return jax.lax.scan(body, matrix, None, length=3)[0]

    found, expected = (jax.jit(partial(descend, one))(args[0]) for one in (run, scan_run))
    assert_close(found, expected)


def test_two_layers_and_gradient_of_scan_over_them(run: Run) -> None:
    sizes = Sizes(9, 6, 8, 8, True)
    layers = [arguments(seed, sizes) for seed in range(3)]
    weights = tuple(jnp.stack(parts) for parts in zip(*(a[:5] for a in layers), strict=True))
    _, _, _, _, _, step_size, inputs, state = layers[0]

    def loss(unroll, weights: tuple[jax.Array, ...]) -> jax.Array:
        def layer(x: jax.Array, own: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            return unroll(*own, step_size, x, state)[1], None

        return jnp.sum(jax.lax.scan(layer, inputs, weights)[0] ** 2)

    found, expected = (jax.jit(jax.grad(partial(loss, one)))(weights) for one in (run, scan_run))
    assert_close(found, expected)


def test_a_second_backward_pass_of_the_same_forward_pass(run: Run) -> None:
    args = arguments()
    _, pull = jax.vjp(run, *args)
    ones = (jnp.ones((19, 24)), jnp.ones((12, 19, 24)))
    first = pull(ones)
    jax.jit(jax.grad(partial(weighted, run)))(*args)  # takes the memory of the first trace
    for a, b in zip(first, pull(ones), strict=True):
        np.testing.assert_array_equal(a, b)
    many = jax.vmap(pull)(jax.tree.map(lambda a: jnp.stack([a, 2 * a]), ones))
    assert_close(jax.tree.map(lambda a: a[0], many), first)


def test_donated_buffers(run: Run) -> None:
    args = arguments()
    expected = scan_run(*args)
    donated = jax.jit(lambda state, *rest: run(*rest, state)[0], donate_argnums=0)
    state = jnp.array(args[7])
    assert_close(donated(state, *args[:7]), expected[0])
    assert state.is_deleted()


WIDE = Sizes(7, 20, 24, 6, True)


NARROW = SIZES._replace(batch=20)
SHARDED = [
    pytest.param(NARROW, tuple(range(8)), True, id="everything"),
    pytest.param(WIDE, tuple(range(8)), False, id="everything, wide, unchecked"),
    pytest.param(NARROW, (0,), True, id="the matrix", marks=pytest.mark.slow),
    pytest.param(WIDE, (5,), True, id="the step size, wide", marks=pytest.mark.slow),
    pytest.param(NARROW, (7,), True, id="the initial state", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("sizes", "wanted", "check_vma"), SHARDED)
def test_shard_map_sums_gradients_of_replicated_arguments(
    run: Run, sizes: Sizes, wanted: tuple[int, ...], check_vma: bool
) -> None:
    args = arguments(sizes=sizes)
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    everywhere, rows, sequence = (
        PartitionSpec(),
        PartitionSpec("data"),
        PartitionSpec(None, "data"),
    )
    specs = (*(everywhere,) * 6, sequence, rows)

    @partial(jax.shard_map, mesh=mesh, in_specs=specs, out_specs=everywhere, check_vma=check_vma)
    def loss(*args: jax.Array) -> jax.Array:
        return jax.lax.psum(weighted(run, *args), "data")

    found = jax.jit(jax.grad(loss, wanted))(*args)
    assert_close(found, jax.jit(jax.grad(partial(weighted, scan_run), wanted))(*args))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [pytest.param("cpu", marks=pytest.mark.ci), "simulated"])
def test_the_same_over_two_devices(
    kernel: str, kernel_cache: str, request: pytest.FixtureRequest
) -> None:
    """The number of devices is that of a process, so the tests above run again in another."""
    if kernel == "cpu" and (reason := cpu.available()):
        pytest.skip(reason)
    tests = ["-k", f"shard_map and {kernel}-", "-m", "not gpu", "-p", "no:cacheprovider", "-rs"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests, __file__],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"},
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
