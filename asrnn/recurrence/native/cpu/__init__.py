"""The recurrence as one native kernel on the CPU, forward and backward.

Euler's method on one state (`unroll`):

    u_t = A h_{t-1} + V x_t + b
    plain   h_t = h_{t-1} + step_size * tanh(u_t)
    gated   h_t = h_{t-1} + step_size * sigmoid(A h_{t-1} + Vz x_t + bz) * tanh(u_t)

or, with r_t for what the step size multiplies there, the two-step method of Adams and Bashforth:

    h_t = h_{t-1} + step_size * (3/2 r_t - 1/2 r_{t-1})

Symplectic Euler on a position y and a momentum z, h = (y, z) (`hamiltonian_unroll`):

    z_t = z_{t-1} + step_size * tanh(-Kᵀ y_{t-1} + V x_t + b - diffusion * z_{t-1})
    y_t = y_{t-1} + step_size * tanh(K z_t + V x_t + b - diffusion * y_{t-1})

each with its own columns of V and b, and gated with sigmoid(-Kᵀ y_{t-1} + Vz x_t + bz) and
sigmoid(K z_t + Vz x_t + bz).

The kernel is C++, compiled at first use for the machine at hand; `available()` says
whether that is possible. float32 only; the results do not depend on the number of threads. As
`jax_default_matmul_precision` says, the operands of products are rounded to bfloat16, where the
processor has a unit for them.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from asrnn.recurrence.native.cpu import calls, library
from asrnn.recurrence.native.cpu.calls import StaticArguments
from asrnn.recurrence.native.cpu.derivative import AnyOperands, run, run_compiled
from asrnn.recurrence.native.members import vary_alike, within_shard_map
from asrnn.recurrence.native.operands import Operands, Result, SplitOperands, check

__all__ = ["available", "hamiltonian_unroll", "obstacle_to_rounding", "unroll"]


def available() -> str | None:
    """None if the kernel can be used on this machine, else the reason in one line.

    The first call compiles the kernel unless it is in the user's cache.
    """
    return library.reason_unavailable()


def obstacle_to_rounding() -> str | None:
    """None if products can be in bfloat16 on this machine, else the reason in one line.

    The first call compiles the kernels that round unless they are in the user's cache.
    """
    return library.obstacle_to_rounding()


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
    adams_bashforth: bool = False,
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
      adams_bashforth: in place of Euler's method. The initial and the final state then are (h, r),
        [B, 2 n]: the slope of the last step stands beside the state.
      return_states: whether the states are wanted; otherwise the second result is None.
      remat: keeps only the state before each of some 30 steps for the backward pass, which computes
        the rest again.
      threads: at most so many; None: as many as XLA's pool has.

    Differentiable (reverse mode) with respect to every array. Raises RuntimeError with the reason
    where the kernel is not available.
    """
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
    return _checked_run(
        operands,
        1,
        adams_bashforth=adams_bashforth,
        return_states=return_states,
        remat=remat,
        threads=threads,
    )


def hamiltonian_unroll(
    coupling: jax.Array,
    input_kernel: jax.Array,
    bias: jax.Array,
    gate_input_kernel: jax.Array | None,
    gate_bias: jax.Array | None,
    step_size: jax.Array | float,
    diffusion: jax.Array | float,
    inputs: jax.Array,
    initial_state: jax.Array,
    *,
    return_states: bool,
    remat: bool | Literal["reverse"] = False,
    threads: int | None = None,
) -> Result:
    """The final state [B, n] and, if asked for, the states after every step [T, B, n].

    Args:
      coupling: K, [n/2, n/2].
      input_kernel: V, [m, n], the columns of the position first; so are those of all that follows.
      bias: b, [n].
      gate_input_kernel: Vz, [m, n], or None for the plain cell.
      gate_bias: bz, [n], or None with it.
      step_size: a scalar.
      diffusion: a scalar.
      inputs: [T, B, m].
      initial_state: (y, z), [B, n].
      return_states: whether the states are wanted; otherwise the second result is None.
      remat: as in `unroll`; "reverse" keeps the final state alone, whatever T, and the backward
        pass takes the others back from it, each with a rounding error of its own. That needs a
        diffusion of 0: the call fails where it is not.
      threads: at most so many; None: as many as XLA's pool has.

    Differentiable (reverse mode) with respect to every array. Raises RuntimeError with the reason
    where the kernel is not available.
    """
    operands = SplitOperands(
        coupling,
        input_kernel,
        bias,
        gate_input_kernel,
        gate_bias,
        jnp.asarray(step_size, jnp.float32),
        jnp.asarray(diffusion, jnp.float32),
        inputs,
        initial_state,
    )
    return _checked_run(operands, 2, return_states=return_states, remat=remat, threads=threads)


def _checked_run(
    operands: AnyOperands,
    parts: int,
    *,
    adams_bashforth: bool = False,
    return_states: bool,
    remat: bool | Literal["reverse"],
    threads: int | None,
) -> Result:
    library.loaded_library()
    steps, batch, features = operands.inputs.shape
    static = StaticArguments(
        steps=steps,
        batch=batch,
        inputs=features,
        units=operands.units,
        parts=parts,
        adams_bashforth=adams_bashforth,
        gated=operands.gate_input_kernel is not None,
        return_states=return_states,
        threads=threads or 0,
        kernel=library.kernel_number(),
        trace_limit=0 if remat else calls.trace_limit(),
        reverse=remat == "reverse",
    )
    check(operands, static.lines * static.width)
    chosen = run_compiled if within_shard_map() else run
    result: Result = chosen(static, vary_alike(operands))
    return result
