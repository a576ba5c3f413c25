"""The limit: one large square product with the operations of a workload, by the fastest library.

A recurrence makes 2TBn² operations in its products with A forward, and 6TBn² with its backward
pass. The floor of a workload is the time of so many operations in a square float32 product. Its
edge s is a multiple of 16, at least 1024 so that a library reaches its rate, and the time is
scaled by the operations of the workload over 2s³. jax and torch (if it is there) try it on the
spot and the faster one is measured, in the same rounds as all systems. The floor leaves out
everything but the products: tanh, memory, and that the steps wait for each other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from asrnn.benchmarks import torch_modules
from asrnn.benchmarks.cases import Workload, cube_edge
from asrnn.benchmarks.repetition import best_of, repeated
from asrnn.benchmarks.system import Prepared

SMALLEST_EDGE = 1024

Run = tuple[Callable[[], Any], int]
"""A run, and how often it makes the product."""


def prepare(workload: Workload) -> Prepared:
    """The product, by the library that was faster in a few trials."""
    edge = max(SMALLEST_EDGE, cube_edge(workload.operations))
    candidates = {"jax": _jax_product(edge)}
    if torch_modules.obstacle() is None:
        candidates["torch"] = _torch_product(edge)
    library = min(candidates, key=lambda name: _seconds(*candidates[name]))
    run, times = candidates[library]
    repetitions = times * 2 * edge**3 / workload.operations
    return Prepared(run, repetitions, details={"library": library, "edge": edge})


def _seconds(run: Callable[[], Any], times: int) -> float:
    return best_of(run) / times


def _jax_product(edge: int) -> Run:
    left, right = jax.random.normal(jax.random.key(0), (2, edge, edge))
    product = jax.jit(jax.numpy.matmul)
    return repeated(partial(product, left, right), jax.block_until_ready)


def _torch_product(edge: int) -> Run:
    import torch

    left, right = torch.randn(2, edge, edge, device=torch_modules.torch_device())
    return torch_modules.complete(partial(torch.matmul, left, right))
