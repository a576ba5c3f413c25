"""Jacobians of a step and of many, and their eigenvalues: does a signal live or die?

With h_t = F(h_{t-1}, x_t), the end-to-end Jacobian is the product of the steps' Jacobians,
∂h_T/∂h_0 = J_T ... J_2 J_1. Its eigenvalues near 0 mean that gradients vanish, large ones
that they explode (paper, sections 2 and 3).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from asrnn.typing import Array, Carry, Step, is_floating


def step_jacobian(step: Step, carry: Carry, x: Array) -> Array:
    """∂F/∂h `[N, N]` of one step; N counts the entries of all floating-point arrays of the carry.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before it; of an LSTM h and c, both of which count.
      x: the input of the step.
    """
    return end_to_end_jacobians(step, carry, x[None], every=1)[0]


def end_to_end_jacobians(step: Step, carry: Carry, inputs: Array, *, every: int) -> Array:
    """∂h_t/∂h_0 `[T / every, N, N]` for t = every, 2 every, ..., T, in one pass.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step, N entries in all.
      inputs: `[T, ...]`, the input of each step.
      every: a divisor of T.
    """
    flat, _ = ravel_pytree(_floats(carry))

    def advance(state: tuple[Carry, Array], x: Array) -> tuple[tuple[Carry, Array], None]:
        """J_t P for the product P so far: one tangent for each of its columns."""
        carry, product = state
        flat, unravel = ravel_pytree(_floats(carry))

        def moved(flat: Array) -> tuple[Array, Carry]:
            after = step(_with_floats(carry, unravel(flat)), x)
            return ravel_pytree(_floats(after))[0], after

        _, push, after = jax.linearize(moved, flat, has_aux=True)
        return (after, jax.vmap(push, in_axes=1, out_axes=1)(product)), None

    def segment(state: tuple[Carry, Array], xs: Array) -> tuple[tuple[Carry, Array], Array]:
        state, _ = jax.lax.scan(advance, state, xs)
        return state, state[1]

    start = carry, jnp.eye(flat.size, dtype=flat.dtype)
    segments = inputs.reshape(-1, every, *inputs.shape[1:])
    _, jacobians = jax.lax.scan(segment, start, segments)
    return jacobians


def _floats(carry: Carry) -> list[Array]:
    """The arrays that one can differentiate in."""
    return [leaf for leaf in jax.tree.leaves(carry) if is_floating(leaf)]


def _with_floats(carry: Carry, floats: list[Array]) -> Carry:
    left = iter(floats)
    return jax.tree.map(lambda leaf: next(left) if is_floating(leaf) else leaf, carry)


def absolute_eigenvalues(matrix: Array) -> np.ndarray:
    """|λ| of a square matrix, the largest first."""
    return np.sort(np.abs(np.linalg.eigvals(np.asarray(matrix))))[::-1]
