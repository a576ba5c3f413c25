"""The two FFI calls, with a population axis that `vmap` feeds.

Every operand and result has a leading axis: the members of a population. An operand that all
members share has one entry there. `vmap` of a call is one call with more members, which the kernel
spreads over its threads together with the slices of the batch.
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.sharding import NamedSharding, PartitionSpec

from asrnn.errors import ConfigError
from asrnn.recurrence.native import library

# A slice of the batch runs the whole sequence on one thread. It should have about as many rows as
# the register tile (at most 14), and few enough of them that all threads find work.
SLICE_ROWS = 16
# What the backward pass keeps in the second-level cache per chunk of time steps.
CHUNK_BYTES = 384 * 1024
MAX_CHUNK_STEPS = 32
# How much the kernel may keep of forward passes for their backward passes, in megabytes, beyond
# which the backward pass computes activations again: $ASRNN_NATIVE_TRACE_MB.
TRACE_MEGABYTES = 512


Arrays = TypeVar("Arrays")


@dataclasses.dataclass(frozen=True)
class Problem:
    """The static part of a call: sizes and choices. Letters: T, B, m, n as everywhere."""

    steps: int
    batch: int
    inputs: int
    units: int
    gated: bool
    return_states: bool
    threads: int
    isa: int
    trace_limit: int

    @property
    def slices(self) -> int:
        """Into how many slices the batch is cut. Independent of the number of threads, so that
        the sums over the batch are too."""
        return _slices(self.batch)

    @property
    def chunk(self) -> int:
        """Time steps per chunk of the backward pass."""
        step_bytes = 4 * (4 if self.gated else 2) * self.slice_rows * self.line
        return max(1, min(CHUNK_BYTES // step_bytes, MAX_CHUNK_STEPS, self.steps))

    @property
    def slice_rows(self) -> int:
        return -(-self.batch // self.slices)

    @property
    def line(self) -> int:
        """n rounded up to whole panels of the widest kernel."""
        return -(-self.units // 32) * 32

    @property
    def anchors_shape(self) -> tuple[int, ...]:
        """The state before each chunk, slice by slice."""
        return (self.slices, -(-self.steps // self.chunk), self.slice_rows, self.line)

    def attributes(self, members: int) -> dict[str, np.int64]:
        """The attributes that both handlers read."""
        numbers = {
            "members": members,
            "steps": self.steps,
            "batch": self.batch,
            "inputs": self.inputs,
            "units": self.units,
            "gated": int(self.gated),
            "slices": self.slices,
            "chunk": self.chunk,
            "threads": self.threads,
            "isa": self.isa,
            "trace_limit": self.trace_limit,
        }
        return {name: np.int64(number) for name, number in numbers.items()}


def trace_limit() -> int:
    """The number of floats the kernel may keep between forward and backward passes."""
    megabytes = os.environ.get("ASRNN_NATIVE_TRACE_MB") or str(TRACE_MEGABYTES)
    if not megabytes.isdecimal():
        raise ConfigError(f"ASRNN_NATIVE_TRACE_MB must be a whole number, found {megabytes!r}")
    return int(megabytes) * 2**18


def _slices(batch: int) -> int:
    return max(1, math.ceil(batch / SLICE_ROWS))


def forward(
    problem: Problem, operands: Sequence[jax.Array], *, keep_trace: bool
) -> list[jax.Array]:
    """final [M, B, n], states [M, T, B, n], ticket, anchors; those not wanted have no elements.

    Operands: A, V, b, Vz, bz, step size, inputs, initial state, each with its leading axis.
    """
    size = (problem.steps, problem.batch, problem.units)
    results = [
        _floats(*size[1:]),
        _floats(*size) if problem.return_states else NOTHING,
        jax.ShapeDtypeStruct((2 if keep_trace else 0,), jnp.int32),
        _floats(*problem.anchors_shape) if keep_trace else NOTHING,
    ]
    return _call(library.FORWARD, problem, 1, results, operands)


def backward(
    problem: Problem, operands: Sequence[jax.Array], *, weights: bool, inputs: bool
) -> list[jax.Array]:
    """The gradients of A, V, b, Vz, bz, step size, inputs, initial state.

    Operands: A, V, b, Vz, bz, step size, inputs, ticket, anchors, cotangents of final state and of
    states. Without `weights` the first five have no elements, without `inputs` that of the inputs.
    """
    m, n = problem.inputs, problem.units
    plain = [_floats(n, n), _floats(m, n), _floats(n)] if weights else [NOTHING] * 3
    gate = [_floats(m, n), _floats(n)] if weights and problem.gated else [NOTHING] * 2
    inputs_gradient = _floats(problem.steps, problem.batch, m) if inputs else NOTHING
    results = [*plain, *gate, _floats(), inputs_gradient, _floats(problem.batch, n)]
    return _call(library.BACKWARD, problem, 1, results, operands)


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


NOTHING = _floats(0)


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


def _like(array: jax.Array, shape: tuple[int, ...], dtype: np.dtype) -> jax.ShapeDtypeStruct:
    """The type of a result that varies over mesh axes as `array` does."""
    kind = jax.typeof(array)
    if not kind.mat.varying:
        return jax.ShapeDtypeStruct(shape, dtype)
    spread = NamedSharding(kind.sharding.mesh, PartitionSpec())
    return jax.ShapeDtypeStruct(shape, dtype, sharding=spread, manual_axis_type=kind.mat)


def _call(
    target: str,
    problem: Problem,
    members: int,
    results: Sequence[jax.ShapeDtypeStruct],
    operands: Sequence[jax.Array],
) -> list[jax.Array]:
    @custom_vmap
    def call(*operands: jax.Array) -> list[jax.Array]:
        types = [_like(operands[0], (members, *one.shape), one.dtype) for one in results]
        return list(jax.ffi.ffi_call(target, types)(*operands, **problem.attributes(members)))

    @call.def_vmap
    def batched_call(
        size: int, batched: Sequence[bool], *operands: jax.Array
    ) -> tuple[list[jax.Array], list[bool]]:
        merged = [
            _merge_members(operand, size, members, is_batched)
            for operand, is_batched in zip(operands, batched, strict=True)
        ]
        outputs = _call(target, problem, size * members, results, merged)
        split = [output.reshape(size, members, *output.shape[1:]) for output in outputs]
        return split, [True] * len(split)

    outputs: list[jax.Array] = call(*vary_alike(operands))
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
