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


Result = tuple[jax.Array, jax.Array | None]
"""The final state [B, n], and the states after every step [T, B, n] or None."""


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class NeededGradients:
    """Which of the costly gradients anybody asks for."""

    weights: bool
    inputs: bool


def check(operands: Operands) -> None:
    """Names the first argument whose shape or dtype does not fit.

    Raises:
      TypeError: if one is not float32.
      ValueError: if a shape does not fit the others.
    """
    steps, batch, m = operands.inputs.shape
    n = operands.recurrent_matrix.shape[0]
    gated = operands.gate_input_kernel is not None
    gate: list[tuple[int, ...] | None] = [(m, n), (n,)] if gated else [None, None]
    shapes = [(n, n), (m, n), (n,), *gate, (), (steps, batch, m), (batch, n)]
    for name, shape, operand in zip(Operands._fields, shapes, operands, strict=True):
        found = None if operand is None else operand.shape
        if found != shape:
            raise ValueError(f"{name} has shape {found}, expected {shape}")
        if operand is not None and operand.dtype != jnp.float32:
            raise TypeError(f"{name} is {operand.dtype}, expected float32")
    if batch < 1 or n < 1:
        raise ValueError(f"batch {batch} and hidden size {n} must be at least 1")
