"""The letters of every shape in this package, and names for the arrays that have them.

T  time steps of a sequence
B  batch size
m  input size (channels of one step)
n  hidden size
C  classes

Sequences are time-major, `[T, B, m]`; hidden states are `[B, n]`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import jax

Array = jax.Array
Key = jax.Array
"""A typed pseudo-random key, `jax.random.key(seed)`."""

Params = dict[str, Array]
"""The parameters of one cell, by name."""

Carry = Any
"""What a cell hands from one step to the next: a pytree of `[B, n]` arrays."""

Step = Callable[[Carry, Array], Carry]
"""One time step, `(carry, x [B, m]) -> carry`."""


class Field(Protocol):
    """The right-hand side of an ODE, `(h [B, n], x [B, m]) -> h' [B, n]`."""

    def __call__(self, h: Array, x: Array, /) -> Array:
        """Evaluates f(h, x)."""
