"""What every backend is given: checked and converted once, so that all refuse the same."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from asrnn.dynamics import Cell, Scalars
from asrnn.dynamics.contract import check_coefficients
from asrnn.errors import ConfigError
from asrnn.options import Use, values_of
from asrnn.recurrence.native.members import vary_alike
from asrnn.typing import Array, Carry, Params, is_floating


def checked(
    cell: Cell,
    params: Params,
    coefficients: Scalars,
    inputs: Any,
    initial_carry: Carry,
    unroll: int,
) -> tuple[Params, Scalars, Array, Carry]:
    """The arrays of `asrnn.unroll` in the parameters' dtype, and all alike inside `shard_map`.

    Args:
      cell: the cell.
      params: its parameters.
      coefficients: its run-time scalars; those that it does not read are left out.
      inputs: `[T, B, m]`.
      initial_carry: None for the cell's own.
      unroll: steps per loop iteration.

    Raises:
      ConfigError: for the first that no backend can run.
    """
    if unroll < 1:
        raise ConfigError(f"unroll must be at least 1, found {unroll!r}")
    dtype = jnp.result_type(*params.values())
    shape = jnp.shape(inputs)
    if len(shape) != 3:
        raise ConfigError(
            f"inputs must be [T, B, m] (time, batch, channels), found shape {shape};"
            " give an axis that is missing, for example inputs[:, None] for one sequence"
        )
    if 0 in shape[1:]:
        raise ConfigError(f"inputs [T, B, m] need B and m of at least 1, found shape {shape}")
    kernel = params.get("input_kernel")
    if kernel is not None and kernel.shape[0] != shape[2]:
        raise ConfigError(
            f"inputs [T, B, m] of shape {shape} have m = {shape[2]}, but the parameters are for"
            f" m = {kernel.shape[0]}; draw them for that m, or give other inputs"
        )
    check_coefficients(cell.options, coefficients)
    read = values_of(cell, {}, Use.RUN_TIME)
    scalars = {name: _scalar(name, coefficients[name], dtype) for name in read}
    carry = _carry(cell.initial_carry(params, shape[1]), initial_carry, dtype)
    # A loop's carry, and a gradient beside its array, have to vary over the same mesh axes.
    return vary_alike((params, scalars, jnp.asarray(inputs, dtype), carry))


def _scalar(name: str, value: Any, dtype: Any) -> Array:
    """A coefficient as an array; finite, as far as that is known before it is computed."""
    if jnp.shape(value) != ():
        # Schemes multiply the field by ε and matrices by it too, where a vector has no meaning.
        raise ConfigError(
            f"the coefficient {name!r} must be a scalar, found shape {jnp.shape(value)};"
            " jax.vmap runs several, and a factor for each unit belongs into a field"
        )
    known = not isinstance(value, jax.core.Tracer) and getattr(value, "is_fully_addressable", True)
    if known and not math.isfinite(value):
        raise ConfigError(f"the coefficient {name!r} must be finite, found {float(value)}")
    return jnp.asarray(value, dtype)


def _carry(own: Carry, given: Carry, dtype: Any) -> Carry:
    """The carry that was given, else the cell's own; a counter in it keeps its type."""
    if given is None:
        return own
    found = jax.tree.map(jnp.shape, given)
    expected = jax.tree.map(jnp.shape, own)
    if found != expected:
        raise ConfigError(
            f"the initial carry must be {expected} in shape, found {found};"
            " cell.initial_carry(params, B) makes one"
        )
    return jax.tree.map(
        lambda one, like: jnp.asarray(one, dtype if is_floating(like) else like.dtype), given, own
    )
