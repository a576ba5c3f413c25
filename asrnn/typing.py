"""The letters of every shape in this package, and names for the arrays that have them.

T  time steps of a sequence
B  batch size
m  input size (channels of one step)
n  hidden size
C  classes

Sequences are time-major, `[T, B, m]`; hidden states are `[B, n]`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from asrnn.lazy import jax, jnp

if TYPE_CHECKING:
    Array: TypeAlias = jax.Array
else:
    Array = Any  # in an annotation it imports nothing

Key: TypeAlias = Array
"""A typed pseudo-random key, `jax.random.key(seed)`."""

Params = dict[str, Array]
"""The parameters of one cell, by name."""

State = Any
"""The state of an ODE: a pytree of `[B, n]` arrays."""

Carry = Any
"""What a cell hands from one step to the next: its state, and what a scheme remembers."""

Step = Callable[[Carry, Array], Carry]
"""One time step, `(carry, x [B, m]) -> carry`."""


def is_floating(array: Array) -> bool:
    """Whether one can differentiate with respect to it: a state can be, a counter cannot."""
    return bool(jnp.issubdtype(array.dtype, jnp.floating))


class VectorField(Protocol):
    """The right-hand side of an ODE, `(h, x [B, m]) -> h'`; h and h' are alike, `[B, n]` arrays."""

    def __call__(self, h: State, x: Array, /) -> State:
        """Evaluates f(h, x)."""
