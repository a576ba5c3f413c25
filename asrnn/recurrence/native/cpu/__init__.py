"""The recurrence as one native kernel on the CPU, forward and backward.

    u_t = A h_{t-1} + V x_t + b
    plain   h_t = h_{t-1} + step_size * tanh(u_t)
    gated   h_t = h_{t-1} + step_size * sigmoid(A h_{t-1} + Vz x_t + bz) * tanh(u_t)

The kernel is C++, compiled at first use for the machine at hand; `available()` says
whether that is possible. float32 only; the results do not depend on the number of threads.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from asrnn.recurrence.native.cpu import calls, library
from asrnn.recurrence.native.cpu.calls import StaticArguments
from asrnn.recurrence.native.members import member, vary_alike
from asrnn.recurrence.native.operands import NeededGradients, Operands, Result, check

__all__ = ["available", "unroll"]


class Residuals(NamedTuple):
    """What the backward pass needs of the forward pass."""

    wanted: NeededGradients
    operands: Operands
    ticket: jax.Array
    anchors: jax.Array


def available() -> str | None:
    """None if the kernel can be used on this machine, else the reason in one line.

    The first call compiles the kernel unless it is in the user's cache.
    """
    return library.reason_unavailable()


def unroll(
    recurrent_matrix: jax.Array,
    input_kernel: jax.Array,
    bias: jax.Array,
    gate_input_kernel: jax.Array | None,
    gate_bias: jax.Array | None,
    step_size: jax.Array | float,
    inputs: jax.Array,
    initial_state: jax.Array,
    *,
    return_states: bool,
    remat: bool = False,
    threads: int | None = None,
) -> Result:
    """The final state [B, n] and, if asked for, the states after every step [T, B, n].

    Args:
      recurrent_matrix: A, [n, n].
      input_kernel: V, [m, n].
      bias: b, [n].
      gate_input_kernel: Vz, [m, n], or None for the plain cell.
      gate_bias: bz, [n], or None with it.
      step_size: a scalar.
      inputs: [T, B, m].
      initial_state: [B, n].
      return_states: whether the states are wanted; otherwise the second result is None.
      remat: keeps only the state before each of some 30 steps for the backward pass, which computes
        the rest again.
      threads: at most so many; None: as many as XLA's pool has.

    Differentiable (reverse mode) with respect to every array. Raises RuntimeError with the reason
    where the kernel is not available.
    """
    library.loaded_library()
    operands = Operands(
        recurrent_matrix,
        input_kernel,
        bias,
        gate_input_kernel,
        gate_bias,
        jnp.asarray(step_size, jnp.float32),
        inputs,
        initial_state,
    )
    steps, batch, features = inputs.shape
    static = StaticArguments(
        steps=steps,
        batch=batch,
        inputs=features,
        units=recurrent_matrix.shape[0],
        gated=gate_input_kernel is not None,
        return_states=return_states,
        threads=threads or 0,
        isa=library.instruction_set(),
        trace_limit=0 if remat else calls.trace_limit(),
    )
    check(operands)
    return _run(static, vary_alike(operands))


def _forward(
    static: StaticArguments, operands: Operands, *, keep_trace: bool
) -> tuple[Result, jax.Array, jax.Array]:
    final, states, ticket, anchors = calls.forward(
        static, [member(array) for array in operands], keep_trace=keep_trace
    )
    return (final[0], states[0] if static.return_states else None), ticket[0], anchors[0]


def _run_plain(static: StaticArguments, operands: Operands) -> Result:
    return _forward(static, operands, keep_trace=False)[0]


def _run_forward(static: StaticArguments, operands: Operands) -> tuple[Result, Residuals]:
    # With symbolic_zeros each leaf tells whether anybody differentiates with respect to it.
    values = jax.tree.map(lambda leaf: leaf.value, operands)
    result, ticket, anchors = _forward(static, values, keep_trace=True)
    perturbed = jax.tree.map(lambda leaf: leaf.perturbed, operands)
    wanted = NeededGradients(weights=any(jax.tree.leaves(perturbed[:5])), inputs=perturbed.inputs)
    return result, Residuals(wanted, values, ticket, anchors)


def _run_backward(
    static: StaticArguments, residuals: Residuals, cotangents: tuple[jax.Array | SymbolicZero, ...]
) -> tuple[Operands]:
    wanted, operands, ticket, anchors = residuals
    final, states = cotangents
    if isinstance(final, SymbolicZero):
        final = jnp.zeros(final.shape, final.dtype)
    given = None if isinstance(states, SymbolicZero) else states
    gradients = calls.backward(
        static,
        [member(array) for array in (*operands[:7], ticket, anchors, final, given)],
        weights=wanted.weights,
        inputs=wanted.inputs,
    )
    unknown = {
        *(Operands._fields[:5] if not wanted.weights else ()),
        *(("gate_input_kernel", "gate_bias") if not static.gated else ()),
        *(("inputs",) if not wanted.inputs else ()),
    }
    named = zip(Operands._fields, gradients, strict=True)
    # None stands for a gradient that nobody reads.
    return (Operands._make(None if name in unknown else gradient[0] for name, gradient in named),)


_run = jax.custom_vjp(_run_plain, nondiff_argnums=(0,))
_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)
