"""The arguments of a recurrence that a native kernel runs."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Operands(NamedTuple):
    """What a result depends on: the differentiable arguments of `unroll`, in its order."""

    recurrent_matrix: jax.Array
    input_kernel: jax.Array
    bias: jax.Array
    gate_input_kernel: jax.Array | None
    gate_bias: jax.Array | None
    step_size: jax.Array
    inputs: jax.Array
    initial_state: jax.Array

    @property
    def units(self) -> int:
        """The size n of the state."""
        return self.recurrent_matrix.shape[0]


class SplitOperands(NamedTuple):
    """The same for a state of position and momentum: the arguments of `hamiltonian_unroll`."""

    coupling: jax.Array
    input_kernel: jax.Array
    bias: jax.Array
    gate_input_kernel: jax.Array | None
    gate_bias: jax.Array | None
    step_size: jax.Array
    diffusion: jax.Array
    inputs: jax.Array
    initial_state: jax.Array

    @property
    def units(self) -> int:
        """The size n of the state, both halves together."""
        return 2 * self.coupling.shape[0]


Result = tuple[jax.Array, jax.Array | None]
"""The final state [B, n], with a slope beside it [B, 2 n], and all states [T, B, n] or None."""


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class NeededGradients:
    """Which of the costly gradients anybody asks for."""

    weights: bool
    inputs: bool
    diffusion: bool = False


def check(operands: Operands | SplitOperands, carried: int) -> None:
    """Names the first argument whose shape or dtype does not fit.

    Args:
      operands: the arguments.
      carried: the length of a row of the initial state: n, or 2 n with a slope beside it.

    Raises:
      TypeError: if one is not float32.
      ValueError: if a shape does not fit the others.
    """
    steps, batch, m = operands.inputs.shape
    n = operands.units
    gated = operands.gate_input_kernel is not None
    shapes = {
        "recurrent_matrix": (n, n),
        "coupling": (n // 2, n // 2),
        "input_kernel": (m, n),
        "bias": (n,),
        "gate_input_kernel": (m, n) if gated else None,
        "gate_bias": (n,) if gated else None,
        "step_size": (),
        "diffusion": (),
        "inputs": (steps, batch, m),
        "initial_state": (batch, carried),
    }
    for name, operand in zip(operands._fields, operands, strict=True):
        found = None if operand is None else operand.shape
        if found != shapes[name]:
            raise ValueError(f"{name} has shape {found}, expected {shapes[name]}")
        if operand is not None and operand.dtype != jnp.float32:
            raise TypeError(f"{name} is {operand.dtype}, expected float32")
    if batch < 1 or n < 1:
        raise ValueError(f"batch {batch} and hidden size {n} must be at least 1")
