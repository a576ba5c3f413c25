"""`asrnn.unroll` inside `jax.shard_map`: each device its part of the batch, on every backend."""

from __future__ import annotations

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

from asrnn.dynamics import Coefficients, make_cell
from asrnn.recurrence import native, unroll
from asrnn.typing import Array, Params

DEVICES = 4
LENGTH, BATCH, M, N = 3, 8, 2, 3


@pytest.fixture(params=["scan", "adjoint", "native", "native ab2"])
def backend(request: pytest.FixtureRequest, kernel_cache: str) -> str:
    """Its name, and that of a scheme where it is not Euler's."""
    if request.param.startswith("native") and (reason := native.available(N, M, True)):
        pytest.skip(reason)
    return str(request.param)


def loss(
    params: Params, step_size: Array, inputs: Array, *, backend: str, remat: str = "none"
) -> Array:
    """Of all states; the carry is the cell's own, which no device has a part of."""
    backend, _, scheme = backend.partition(" ")
    _, states = unroll(
        make_cell("gated_antisymmetric", scheme or "euler"),
        params,
        Coefficients(step_size, 0.05),
        inputs,
        backend=backend,
        return_states=True,
        remat=remat,
    )
    assert states is not None
    return jnp.sum(jnp.cos(3.0 * states))


def shared(backend: str, *, check_vma: bool, remat: str = "none") -> Callable[..., Array]:
    """The loss, its batch split over the devices."""
    mesh = Mesh(np.array(jax.devices()[:DEVICES]), ("data",))
    everywhere, batch = PartitionSpec(), PartitionSpec(None, "data")

    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(everywhere, everywhere, batch),
        out_specs=everywhere,
        check_vma=check_vma,
    )
    def total(params: Params, step_size: Array, inputs: Array) -> Array:
        own = loss(params, step_size, inputs, backend=backend, remat=remat)
        return jax.lax.psum(own, "data")

    return total


def arguments() -> tuple[Params, Array, Array]:
    params = make_cell("gated_antisymmetric").init(jax.random.key(0), M, N)
    return params, jnp.asarray(0.1), jax.random.normal(jax.random.key(1), (LENGTH, BATCH, M))


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


WAYS = [
    pytest.param(True, jax.jit, "none", id="checked-jit"),
    pytest.param(True, jax.jit, "segments", id="checked-jit, remat"),
    pytest.param(False, jax.jit, "none", id="unchecked-jit", marks=pytest.mark.slow),
    pytest.param(False, jax.jit, "segments", id="unchecked-jit, remat", marks=pytest.mark.slow),
    pytest.param(True, as_it_is, "none", id="checked-eager", marks=pytest.mark.slow),
    pytest.param(False, as_it_is, "none", id="unchecked-eager", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("check_vma", "compiled", "remat"), WAYS)
def test_value_and_gradients_are_those_of_the_whole_batch(
    backend: str, check_vma: bool, compiled: Callable[..., Any], remat: str
) -> None:
    run = compiled(jax.value_and_grad(shared(backend, check_vma=check_vma, remat=remat), (0, 1, 2)))
    plain = partial(loss, backend=" ".join(["scan", *backend.split()[1:]]))
    expected = jax.jit(jax.value_and_grad(plain, (0, 1, 2)))(*arguments())
    for one, other in zip(
        jax.tree.leaves(run(*arguments())), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_same_over_four_devices(request: pytest.FixtureRequest, kernel_cache: str) -> None:
    """The number of devices is that of a process, so the tests above run again in another."""
    tests = ["-k", "whole_batch", "-m", "not gpu", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests, __file__],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": str(DEVICES),
            "ASRNN_CACHE_DIR": kernel_cache,
        },
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
