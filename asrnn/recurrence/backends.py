"""The front door: one signature for all backends, and the choice between them.

| backend  | where            | for                                              |
|----------|------------------|--------------------------------------------------|
| `scan`   | everywhere       | every cell and discretisation; defines the result |
| `fused`  | everywhere       | `TanhField` cells under Euler's method           |
| `native` | CPU, float32     | the same, where a C++ compiler is at hand         |
| `native` | NVIDIA, float32  | the same up to 256 units; only where it is asked for |

All agree with `scan` to rounding, in values and gradients.
"""

import functools
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp

from asrnn.dynamics import Cell, Coefficients, OdeCell, TanhField
from asrnn.errors import check_choice
from asrnn.recurrence import native
from asrnn.recurrence.fused import fused
from asrnn.recurrence.scan import scan
from asrnn.recurrence.segments import by_segments
from asrnn.typing import Array, Carry, Params

BACKENDS = ("scan", "fused", "native")


class Choice(NamedTuple):
    """A backend, and one line where it is not the one that was asked for."""

    backend: str
    note: str | None = None


def choose_backend(wanted: str, cell: Cell, params: Params) -> Choice:
    """The backend that will run a cell: the fastest that is there and right for "auto".

    Args:
      wanted: "auto" or a name of `BACKENDS`.
      cell: the cell.
      params: its parameters.

    Raises:
      ConfigError: for an unknown name.
    """
    check_choice("recurrence.backend", wanted, ("auto", *BACKENDS))
    if wanted == "scan":
        return Choice("scan")
    field = _tanh_field(cell, params)
    if field is None:
        note = f"no {wanted} recurrence for this cell and discretisation; scan takes its place"
        return Choice("scan", None if wanted == "auto" else note)
    # The CUDA kernels have not been measured on a GPU: only who asks for them gets them.
    if wanted == "fused" or (wanted == "auto" and jax.default_backend() != "cpu"):
        return Choice("fused")
    obstacle = _native_obstacle(field)
    if obstacle is None:
        return Choice("native")
    return Choice("fused", f"no native recurrence ({obstacle}); fused takes its place")


def unroll(
    cell: Cell,
    params: Params,
    coefficients: Coefficients,
    inputs: Array,
    initial_carry: Carry = None,
    *,
    backend: str = "auto",
    unroll: int = 1,
    remat: bool = False,
    return_states: bool = False,
) -> tuple[Carry, Array | None]:
    """Steps a cell along a batch of sequences.

    `fused` and `native` have a reverse-mode derivative only; jvp, jacfwd and hessian need
    backend="scan".

    Args:
      cell: what `asrnn.dynamics.make_cell` returns.
      params: the cell's parameters, as `cell.init` draws them.
      coefficients: step size ε and diffusion γ; both may be traced.
      inputs: `[T, B, m]`, converted to the dtype of the parameters.
      initial_carry: the state before the first step; zeros by default.
      backend: "auto" or a name of `BACKENDS`.
      unroll: steps per loop iteration of the `scan` backend.
      remat: stores the state every √T steps only (`native` on a CPU: every 32 at most) and computes
        the rest again in the backward pass, which costs one more forward pass.
      return_states: whether to return all hidden states, not only the last.

    Returns:
      The carry after the last step, and the hidden states `[T, B, n]` or None.

    Raises:
      ConfigError: for an unknown backend.
    """
    dtype = jnp.result_type(*params.values())
    inputs = jnp.asarray(inputs, dtype)
    if initial_carry is None:
        initial_carry = cell.initial_carry(params, inputs.shape[1])
    initial_carry = jax.tree.map(lambda state: jnp.asarray(state, dtype), initial_carry)
    choice = choose_backend(backend, cell, params)
    if choice.note is not None:
        _say_once(choice.note)
    if choice.backend == "scan":
        return scan(
            cell,
            params,
            coefficients,
            inputs,
            initial_carry,
            unroll=unroll,
            remat=remat,
            return_states=return_states,
        )
    assert isinstance(cell, OdeCell)
    field = cell.field(params, coefficients.diffusion)
    assert isinstance(field, TanhField)
    step_size = coefficients.step_size
    if choice.backend == "native":
        return native.unroll(
            *field, step_size, inputs, initial_carry, return_states=return_states, remat=remat
        )

    def segment(state: Array, xs: Array) -> tuple[Array, Array | None]:
        return fused(*field, step_size, xs, state, return_states=return_states)

    if remat:
        return by_segments(segment, initial_carry, inputs)
    return segment(initial_carry, inputs)


def _tanh_field(cell: Cell, params: Params) -> TanhField | None:
    """The field of a cell under Euler's method, if it is one for which there are kernels."""
    if not isinstance(cell, OdeCell) or cell.discretization != "euler":
        return None
    field = cell.field(params, 0.0)
    return field if isinstance(field, TanhField) else None


def _native_obstacle(field: TanhField) -> str | None:
    """Why the native backend cannot be used, in a few words; None if it can."""
    if any(leaf.dtype != jnp.float32 for leaf in jax.tree.leaves(field)):
        return "it is float32 only"
    inputs, units = field.input_kernel.shape
    return native.available(units, inputs, field.gate_input_kernel is not None)


@functools.cache
def _say_once(line: str) -> None:
    logging.getLogger("asrnn").warning(line)
