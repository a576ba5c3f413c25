"""`jax.lax.scan` along the sequence: the definition of what is right."""

from functools import partial

from jax import lax

from asrnn.dynamics import Cell, Scalars
from asrnn.recurrence.segments import by_segments
from asrnn.typing import Array, Carry, Params


def scan(
    cell: Cell,
    params: Params,
    coefficients: Scalars,
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
      coefficients: its run-time scalars.
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
        segment = partial(lax.scan, body, unroll=unroll)
        return by_segments(segment, initial_carry, inputs)
    return lax.scan(body, initial_carry, inputs, unroll=unroll)
