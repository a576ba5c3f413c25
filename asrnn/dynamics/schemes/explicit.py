"""Explicit one-step methods, all from one tableau form.

    k_i = f(h + ε Σ_{j<i} a_ij k_j, x),   h⁺ = h + ε Σ_i b_i k_i

The input is held over the step, as in the paper. The state may be any pytree.

Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, chapter II.1.
"""

from functools import partial
from typing import Any

from asrnn.dynamics.contract import Scheme
from asrnn.lazy import jax
from asrnn.typing import Array, State, Step, VectorField

Rows = tuple[tuple[float, ...], ...]


def explicit_step(
    stages: Rows, weights: tuple[float, ...], field: VectorField, step_size: Array | float
) -> Step:
    """The step of a tableau.

    Args:
      stages: the rows (a_i1, ..., a_i,i-1) of all stages but the first.
      weights: b.
      field: f.
      step_size: ε.
    """

    def step(h: State, x: Array) -> State:
        slopes = [field(h, x)]
        for row in stages:
            slopes.append(field(_advance(h, step_size, row, slopes), x))
        return _advance(h, step_size, weights, slopes)

    return step


def _advance(
    h: State, step_size: Array | float, row: tuple[float, ...], slopes: list[Any]
) -> State:
    """h + ε Σ_j a_j k_j, leaf by leaf; slopes of weight 0 are left out."""
    used = [(a, k) for a, k in zip(row, slopes, strict=False) if a]

    def combined(h: Array, *ks: Array) -> Array:
        (a, _), k = used[0], ks[0]
        total = k if a == 1 else a * k
        for (a, _), k in zip(used[1:], ks[1:], strict=True):
            total = total + a * k
        return h + step_size * total

    return jax.tree.map(combined, h, *(k for _, k in used))


_SOURCE = "Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, II.1"

EULER = Scheme(
    partial(explicit_step, (), (1.0,)), 1, "forward Euler; Chang et al. 2019, eq. 3 (the paper's)"
)
MIDPOINT = Scheme(partial(explicit_step, ((0.5,),), (0.0, 1.0)), 2, _SOURCE, stages=2)
HEUN = Scheme(partial(explicit_step, ((1.0,),), (0.5, 0.5)), 2, _SOURCE, stages=2)
RK4 = Scheme(
    partial(explicit_step, ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
    4,
    _SOURCE,
    stages=4,
)
