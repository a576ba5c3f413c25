"""A cell along a sequence: several backends, one signature, one meaning."""

from asrnn.dynamics import Cell, Coefficients
from asrnn.errors import check_choice
from asrnn.recurrence.scan import scan
from asrnn.typing import Array, Carry, Params

__all__ = ["BACKENDS", "resolve_backend", "unroll"]

BACKENDS = {"scan": scan}


def resolve_backend(backend: str, cell: Cell) -> str:
    """The backend that "auto" stands for; any other name stands for itself."""
    del cell
    check_choice("recurrence.backend", backend, ("auto", *BACKENDS))
    return "scan" if backend == "auto" else backend


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

    Args:
      cell: what `asrnn.dynamics.make_cell` returns.
      params: the cell's parameters, as `cell.init` draws them.
      coefficients: step size ε and diffusion γ; both may be traced.
      inputs: `[T, B, m]`.
      initial_carry: the state before the first step; zeros by default.
      backend: "auto" or a name of `BACKENDS`.
      unroll: steps per loop iteration of the `scan` backend.
      remat: trades one more forward pass for O(√T) memory.
      return_states: whether to return all hidden states, not only the last.

    Returns:
      The carry after the last step, and the hidden states `[T, B, n]` or None.

    Raises:
      ConfigError: for an unknown backend.
    """
    if initial_carry is None:
        initial_carry = cell.initial_carry(params, inputs.shape[1])
    return BACKENDS[resolve_backend(backend, cell)](
        cell,
        params,
        coefficients,
        inputs,
        initial_carry,
        unroll=unroll,
        remat=remat,
        return_states=return_states,
    )
