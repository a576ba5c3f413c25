"""`jax.lax.scan` along the sequence: the definition of what is right."""

import math
from collections.abc import Callable

import jax
from jax import lax

from asrnn.dynamics import Cell, Coefficients
from asrnn.typing import Array, Carry, Params

Body = Callable[[Carry, Array], tuple[Carry, Array | None]]


def scan(
    cell: Cell,
    params: Params,
    coefficients: Coefficients,
    inputs: Array,
    initial_carry: Carry,
    *,
    unroll: int = 1,
    remat: bool = False,
    return_states: bool = False,
) -> tuple[Carry, Array | None]:
    """Steps a cell along time.

    Args:
      cell: the cell.
      params: its parameters.
      coefficients: ε and γ.
      inputs: `[T, B, m]`.
      initial_carry: the state before the first step.
      unroll: steps per loop iteration.
      remat: stores the state every √T steps only and computes the rest again in the
        backward pass: memory O(√T) in place of O(T), for one more forward pass.
      return_states: whether to return all hidden states.

    Returns:
      The last carry, and the hidden states `[T, B, n]` or None.
    """
    step = cell.prepare(params, coefficients)

    def body(carry: Carry, x: Array) -> tuple[Carry, Array | None]:
        carry = step(carry, x)
        return carry, cell.hidden(carry) if return_states else None

    if remat:
        return _checkpointed_scan(body, initial_carry, inputs, unroll)
    return lax.scan(body, initial_carry, inputs, unroll=unroll)


def _checkpointed_scan(
    body: Body, carry: Carry, inputs: Array, unroll: int
) -> tuple[Carry, Array | None]:
    """Scans over √T segments, each of which is computed again when differentiated."""
    length = math.isqrt(max(inputs.shape[0] - 1, 0)) + 1
    segments, rest = divmod(inputs.shape[0], length)

    @jax.checkpoint
    def segment(carry: Carry, xs: Array) -> tuple[Carry, Array | None]:
        return lax.scan(body, carry, xs, unroll=unroll)

    head = inputs[: segments * length].reshape(segments, length, *inputs.shape[1:])
    carry, states = lax.scan(segment, carry, head)
    carry, tail = segment(carry, inputs[inputs.shape[0] - rest :])
    if states is None or tail is None:
        return carry, None
    joined = states.reshape(segments * length, *states.shape[2:])
    return carry, lax.concatenate([joined, tail], 0)
