"""The kernels as nodes of a CUDA graph, which XLA records from its stream."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from asrnn.benchmarks.systems import GRAPH
from asrnn.recurrence.native import cuda
from tests.recurrence.native.reference import Sizes, as_jax, distance, random_arguments, scan

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu")]

# From how many operations on XLA makes a graph; it does not make one in the first execution.
EVEN_SMALL = {"xla_gpu_graph_min_graph_size": 1}
CALLS = 6


def loss(unroll, *args: jax.Array) -> jax.Array:
    """Two layers' worth of kernel calls: the second sequence begins where the first one ended."""
    last, states = unroll(*args, return_states=True)
    last, _ = unroll(*args[:7], last, return_states=False)
    return jnp.sum(jnp.sin(last)) + jnp.sum(jnp.cos(states))


def assert_close(found: object, expected: object) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert distance(a, b) < 1e-4


# Variants of no other test: the kernels are not loaded before the first execution.
@pytest.mark.parametrize("sizes", [Sizes(12, 19, 90, 2, True), Sizes(12, 19, 93, 7, False)])
def test_a_graph_is_played_again_on_other_arrays(sizes: Sizes) -> None:
    wanted = tuple(i for i in range(8) if sizes.gated or i not in (3, 4))

    def results(unroll, *args: jax.Array):
        return jax.value_and_grad(partial(loss, unroll), wanted)(*args)

    graph = jax.jit(partial(results, cuda.unroll), compiler_options=EVEN_SMALL)
    kept = []  # so that no array takes the place of an earlier one
    for seed in range(CALLS):
        args = as_jax(random_arguments(sizes, seed))
        kept.append((args, graph(*args)))
    for args, found in kept:
        assert_close(found, jax.jit(partial(results, scan))(*args))


def test_kernels_are_loaded_while_a_graph_is_recorded() -> None:
    """XLA records both branches; the one not taken at first has kernels that nothing has loaded."""
    taken, other = (as_jax(random_arguments(Sizes(12, 19, n, 2, True))) for n in (94, 95))

    def results(unroll, second: jax.Array, scale: jax.Array) -> jax.Array:
        def branch(args: tuple[jax.Array, ...]) -> jax.Array:
            matrix = scale * args[0]
            return jnp.sum(jax.grad(partial(loss, unroll))(matrix, *args[1:]) ** 2)

        return jax.lax.cond(second, lambda: branch(other), lambda: branch(taken))

    graph = jax.jit(partial(results, cuda.unroll), compiler_options=GRAPH)
    for i, second in enumerate([False, False, False, True, False, True]):
        given = (jnp.asarray(second), jnp.float32(1 + 0.1 * i))
        assert_close(graph(*given), jax.jit(partial(results, scan))(*given))
