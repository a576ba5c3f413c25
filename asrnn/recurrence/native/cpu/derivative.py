"""The recurrence as a differentiable function: a forward call, and a backward call for the rest."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from asrnn.recurrence.native.cpu import calls
from asrnn.recurrence.native.cpu.calls import Kept, StaticArguments
from asrnn.recurrence.native.members import member
from asrnn.recurrence.native.operands import NeededGradients, Operands, Result, SplitOperands

AnyOperands = Operands | SplitOperands
WEIGHTS = 5
"""So many operands come first that are the weights."""


class Residuals(NamedTuple):
    """What the backward pass needs of the forward pass."""

    wanted: NeededGradients
    operands: AnyOperands
    kept: Kept


def _forward(static: StaticArguments, operands: AnyOperands, *, keep: bool) -> tuple[Result, Kept]:
    found = calls.forward(static, _in_call_order(operands), keep=keep)
    final, states, ticket, anchors = (array[0] for array in found)
    results = final, states if static.return_states else None
    return results, Kept(ticket, anchors, final if static.reverse else None)


def _in_call_order(operands: AnyOperands) -> list[jax.Array]:
    diffusion = operands.diffusion if isinstance(operands, SplitOperands) else None
    own = (*operands[: WEIGHTS + 1], diffusion, operands.inputs, operands.initial_state)
    return [member(array) for array in own]


def _run_plain(static: StaticArguments, operands: AnyOperands) -> Result:
    return _forward(static, operands, keep=False)[0]


def _run_forward(static: StaticArguments, operands: AnyOperands) -> tuple[Result, Residuals]:
    # With symbolic_zeros each leaf tells whether anybody differentiates with respect to it.
    values = jax.tree.map(lambda leaf: leaf.value, operands)
    result, kept = _forward(static, values, keep=True)
    perturbed = jax.tree.map(lambda leaf: leaf.perturbed, operands)
    wanted = NeededGradients(
        weights=any(jax.tree.leaves(perturbed[:WEIGHTS])),
        inputs=perturbed.inputs,
        diffusion=isinstance(perturbed, SplitOperands) and bool(perturbed.diffusion),
    )
    return result, Residuals(wanted, values, kept)


def _run_backward(
    static: StaticArguments, residuals: Residuals, cotangents: tuple[jax.Array | SymbolicZero, ...]
) -> tuple[AnyOperands]:
    wanted, operands, kept = residuals
    final, states = cotangents
    if isinstance(final, SymbolicZero):
        final = jnp.zeros(final.shape, final.dtype)
    given = None if isinstance(states, SymbolicZero) else states
    *parameters, _ = _in_call_order(operands)
    others = [member(array) for array in (*kept, final, given)]
    found = calls.backward(static, [*parameters, *others], wanted)
    # None stands for a gradient that nobody reads.
    gradients: list[Any] = [found.get(name) for name in operands._fields]
    return (type(operands)(*gradients),)


run = jax.custom_vjp(_run_plain, nondiff_argnums=(0,))
"""`(static, operands) -> (final state, states or None)`, differentiable in the operands."""

run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)

run_compiled = jax.jit(run, static_argnums=0)
"""The same within `jax.jit`."""
