"""Square-root checkpointing: O(√T) memory for one more forward pass.

Source: Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost (2016).
"""

import math
from collections.abc import Callable

import jax
from jax import lax

from asrnn.typing import Array, Carry

Segment = Callable[[Carry, Array], tuple[Carry, Array | None]]
"""`(carry, inputs of some steps) -> (carry, hidden states of these steps or None)`."""


def by_segments(segment: Segment, carry: Carry, inputs: Array) -> tuple[Carry, Array | None]:
    """Runs a recurrence over √T segments; each is computed again when differentiated.

    Args:
      segment: the recurrence over some consecutive steps.
      carry: the state before the first step.
      inputs: `[T, B, m]`, any T.

    Returns:
      The last carry, and the joined states `[T, B, n]` or None.
    """
    length = math.isqrt(max(inputs.shape[0] - 1, 0)) + 1
    segments, rest = divmod(inputs.shape[0], length)
    checkpointed = jax.checkpoint(segment)
    head = inputs[: segments * length].reshape(segments, length, *inputs.shape[1:])
    carry, states = lax.scan(checkpointed, carry, head)
    if states is not None:
        states = states.reshape(segments * length, *states.shape[2:])
    if not rest:
        return carry, states
    carry, tail = checkpointed(carry, inputs[segments * length :])
    if states is None or tail is None:
        return carry, None
    return carry, lax.concatenate([states, tail], 0)
