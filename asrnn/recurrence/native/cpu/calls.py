"""The two FFI calls of the CPU kernel.

It spreads the members of a population over its threads together with the slices of the batch.
"""

import dataclasses
import math
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from asrnn.errors import ConfigError
from asrnn.recurrence.native.cpu import library
from asrnn.recurrence.native.members import NOTHING, call, floats

# A slice of the batch runs the whole sequence on one thread. It should have about as many rows as
# the register tile (at most 14), and few enough of them that all threads find work.
SLICE_ROWS = 16
# What the backward pass keeps in the second-level cache per chunk of time steps.
CHUNK_BYTES = 384 * 1024
MAX_CHUNK_STEPS = 32
# How much the kernel may keep of forward passes for their backward passes, in megabytes, beyond
# which the backward pass computes activations again: $ASRNN_NATIVE_TRACE_MB.
TRACE_MEGABYTES = 512


@dataclasses.dataclass(frozen=True)
class StaticArguments:
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

    def attributes(self) -> dict[str, int]:
        """The attributes that both handlers read."""
        return {
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


def trace_limit() -> int:
    """The number of floats the kernel may keep between forward and backward passes."""
    megabytes = os.environ.get("ASRNN_NATIVE_TRACE_MB") or str(TRACE_MEGABYTES)
    if not megabytes.isdecimal():
        raise ConfigError(f"ASRNN_NATIVE_TRACE_MB must be a whole number, found {megabytes!r}")
    return int(megabytes) * 2**18


def _slices(batch: int) -> int:
    return max(1, math.ceil(batch / SLICE_ROWS))


def forward(
    static: StaticArguments, operands: Sequence[jax.Array], *, keep_trace: bool
) -> list[jax.Array]:
    """final [M, B, n], states [M, T, B, n], ticket, anchors; those not wanted have no elements.

    Operands: A, V, b, Vz, bz, step size, inputs, initial state, each with its leading axis.
    """
    size = (static.steps, static.batch, static.units)
    results = [
        floats(*size[1:]),
        floats(*size) if static.return_states else NOTHING,
        jax.ShapeDtypeStruct((2 if keep_trace else 0,), jnp.int32),
        floats(*static.anchors_shape) if keep_trace else NOTHING,
    ]
    return call(library.FORWARD, static.attributes(), results, operands)


def backward(
    static: StaticArguments, operands: Sequence[jax.Array], *, weights: bool, inputs: bool
) -> list[jax.Array]:
    """The gradients of A, V, b, Vz, bz, step size, inputs, initial state.

    Operands: A, V, b, Vz, bz, step size, inputs, ticket, anchors, cotangents of final state and of
    states. Without `weights` the first five have no elements, without `inputs` that of the inputs.
    """
    m, n = static.inputs, static.units
    plain = [floats(n, n), floats(m, n), floats(n)] if weights else [NOTHING] * 3
    gate = [floats(m, n), floats(n)] if weights and static.gated else [NOTHING] * 2
    inputs_gradient = floats(static.steps, static.batch, m) if inputs else NOTHING
    results = [*plain, *gate, floats(), inputs_gradient, floats(static.batch, n)]
    return call(library.BACKWARD, static.attributes(), results, operands)
