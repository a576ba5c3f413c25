"""Calls of a native kernel, with a population axis that `vmap` feeds.

Every operand and result of a call has a leading axis: the members of a population. An operand that
all members share has one entry there. `vmap` of a call is one call with more members.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.sharding import NamedSharding, PartitionSpec

from asrnn.recurrence.native.limits import in_this_process_once_differentiated

Arrays = TypeVar("Arrays")


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    """The type of a result, without the axis of the members."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


NOTHING = floats(0)


def member(array: jax.Array | None) -> jax.Array:
    """An operand with the population axis; nothing becomes an array without elements."""
    return jnp.zeros((1, 0), jnp.float32) if array is None else array[None]


def vary_alike(arrays: Arrays) -> Arrays:
    """Inside `shard_map`: a tree of arrays that all vary over the same mesh axes, as a call needs.

    The transpose of this cast sums the gradient of a replicated array over the devices.
    """
    leaves = jax.tree.leaves(arrays)
    axes = frozenset().union(*(jax.typeof(array).mat.varying for array in leaves))

    def cast(array: jax.Array) -> jax.Array:
        missing = tuple(sorted(axes - jax.typeof(array).mat.varying))
        return jax.lax.pcast(array, missing, to="varying") if missing else array

    return jax.tree.map(cast, arrays) if axes else arrays


def within_shard_map() -> bool:
    """Whether this is traced for the part of one device of a mesh.

    There jax runs no `custom_vjp` with symbolic zeros but within `jax.jit`.
    """
    return bool(jax.sharding.get_abstract_mesh().manual_axes)


def _like(array: jax.Array, shape: tuple[int, ...], dtype: np.dtype) -> jax.ShapeDtypeStruct:
    """The type of a result that varies over mesh axes as `array` does."""
    kind = jax.typeof(array)
    if not kind.mat.varying:
        return jax.ShapeDtypeStruct(shape, dtype)
    spread = NamedSharding(kind.sharding.mesh, PartitionSpec())
    return jax.ShapeDtypeStruct(shape, dtype, sharding=spread, manual_axis_type=kind.mat)


def call(
    target: str,
    attributes: Mapping[str, int],
    results: Sequence[jax.ShapeDtypeStruct],
    operands: Sequence[jax.Array],
    members: int = 1,
) -> list[jax.Array]:
    """Calls an FFI target, under `vmap` once for all members.

    Args:
      target: its name.
      attributes: its attributes, all 64-bit integers; "members" is added.
      results: the types of the results, without the axis of the members.
      operands: with the axis of the members, which has one entry if they share an operand.
      members: how many there are already.

    Returns:
      The results, with the axis of the members.
    """
    numbers = {name: np.int64(one) for name, one in {**attributes, "members": members}.items()}

    @custom_vmap
    def call_together(*operands: jax.Array) -> list[jax.Array]:
        first, *others = operands
        first = in_this_process_once_differentiated(first)
        types = [_like(first, (members, *one.shape), one.dtype) for one in results]
        return list(jax.ffi.ffi_call(target, types)(first, *others, **numbers))

    @call_together.def_vmap
    def call_more(
        size: int, batched: Sequence[bool], *operands: jax.Array
    ) -> tuple[list[jax.Array], list[bool]]:
        merged = [
            _merge_members(operand, size, members, is_batched)
            for operand, is_batched in zip(operands, batched, strict=True)
        ]
        outputs = call(target, attributes, results, merged, size * members)
        split = [output.reshape(size, members, *output.shape[1:]) for output in outputs]
        return split, [True] * len(split)

    outputs: list[jax.Array] = call_together(*vary_alike(operands))
    return outputs


def _merge_members(operand: jax.Array, size: int, members: int, is_batched: bool) -> jax.Array:
    """One population axis for a new one of `size` around that of `members`."""
    if not is_batched:
        if operand.shape[0] == 1:
            return operand
        operand = jnp.broadcast_to(operand, (size, *operand.shape))
    shape = operand.shape[2:]
    if operand.shape[1] != members:
        operand = jnp.broadcast_to(operand, (size, members, *shape))
    return operand.reshape(size * members, *shape)
