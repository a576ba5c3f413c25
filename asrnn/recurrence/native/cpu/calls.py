"""The two FFI calls of the CPU kernel.

It spreads the members of a population over its threads together with the slices of the batch.
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from asrnn.errors import ConfigError
from asrnn.recurrence.native.cpu import library
from asrnn.recurrence.native.members import NOTHING, call, floats
from asrnn.recurrence.native.operands import NeededGradients

# A slice of the batch runs the whole sequence on one thread. It should have about as many rows as
# the register tile (at most 14), and few enough of them that all threads find work.
SLICE_ROWS = 16
# With weights as tiles, which are read from the second-level cache, two tiles of rows share them.
ROUNDED_SLICE_ROWS = 32
# What the backward pass keeps in the second-level cache per chunk of time steps.
CHUNK_BYTES = 384 * 1024
MAX_CHUNK_STEPS = 32
# How much the kernel may keep of forward passes for their backward passes, in megabytes, beyond
# which the backward pass computes activations again: $ASRNN_NATIVE_TRACE_MB.
TRACE_MEGABYTES = 512


@dataclasses.dataclass(frozen=True)
class StaticArguments:
    """The static part of a call: sizes and choices. Letters: T, B, m, n as everywhere.

    `parts` says how the state is cut: 1 for a method on all of it, 2 for symplectic Euler on
    position and momentum. `adams_bashforth` is in place of Euler, on one part, with a slope
    beside the state. `reverse` takes the states back from the final one in the backward pass.
    """

    steps: int
    batch: int
    inputs: int
    units: int
    parts: int
    adams_bashforth: bool
    gated: bool
    return_states: bool
    threads: int
    kernel: int
    trace_limit: int
    reverse: bool

    @property
    def slices(self) -> int:
        """Into how many slices the batch is cut. Independent of the number of threads, so that
        the sums over the batch are too."""
        rounds = library.KERNELS[self.kernel] in library.ROUNDED
        return max(1, math.ceil(self.batch / (ROUNDED_SLICE_ROWS if rounds else SLICE_ROWS)))

    @property
    def chunk(self) -> int:
        """Time steps per chunk of the backward pass."""
        step_bytes = 4 * (4 if self.gated else 2) * self.slice_rows * self.parts * self.padded_width
        return max(1, min(CHUNK_BYTES // step_bytes, MAX_CHUNK_STEPS, self.steps))

    @property
    def slice_rows(self) -> int:
        return -(-self.batch // self.slices)

    @property
    def width(self) -> int:
        """The size of a part; the matrix is of this size."""
        return self.units // self.parts

    @property
    def padded_width(self) -> int:
        """The width rounded up to whole panels of the widest kernel."""
        return -(-self.width // 32) * 32

    @property
    def lines(self) -> int:
        """How many vectors of a part's width a step hands to the next: the parts and the slope."""
        return self.parts + self.adams_bashforth

    @property
    def anchors_shape(self) -> tuple[int, ...]:
        """What each chunk starts from, slice by slice."""
        chunks = -(-self.steps // self.chunk)
        return (self.slices, chunks, self.slice_rows, self.lines * self.padded_width)

    def attributes(self) -> dict[str, int]:
        """The attributes that both handlers read."""
        return {
            "steps": self.steps,
            "batch": self.batch,
            "inputs": self.inputs,
            "units": self.units,
            "parts": self.parts,
            "gated": int(self.gated),
            "adams_bashforth": int(self.adams_bashforth),
            "slices": self.slices,
            "chunk": self.chunk,
            "threads": self.threads,
            "kernel": self.kernel,
            "trace_limit": self.trace_limit,
        }


def trace_limit() -> int:
    """The number of floats the kernel may keep between forward and backward passes."""
    megabytes = os.environ.get("ASRNN_NATIVE_TRACE_MB") or str(TRACE_MEGABYTES)
    if not megabytes.isdecimal():
        raise ConfigError(f"ASRNN_NATIVE_TRACE_MB must be a whole number, found {megabytes!r}")
    return int(megabytes) * 2**18


class Kept(NamedTuple):
    """What a forward call keeps for the backward call; arrays without elements if nothing."""

    ticket: jax.Array
    anchors: jax.Array
    final: jax.Array | None
    """The final state, where the others are taken back from it."""


def forward(
    static: StaticArguments, operands: Sequence[jax.Array], *, keep: bool
) -> list[jax.Array]:
    """final [M, B, carried], states [M, T, B, n], ticket, anchors; what nobody wants is empty.

    A row of what is carried is the state, then the slope if the method has one.

    Operands: matrix, V, b, Vz, bz, step size, diffusion, inputs, initial state, each with its
    leading axis.
    """
    size = (static.steps, static.batch, static.units)
    traced = keep and not static.reverse
    results = [
        floats(static.batch, static.lines * static.width),
        floats(*size) if static.return_states else NOTHING,
        jax.ShapeDtypeStruct((2 if traced else 0,), jnp.int32),
        floats(*static.anchors_shape) if traced else NOTHING,
    ]
    return call(
        library.target(library.FORWARD, static.kernel), static.attributes(), results, operands
    )


def backward(
    static: StaticArguments, operands: Sequence[jax.Array], wanted: NeededGradients
) -> dict[str, jax.Array]:
    """The gradients by the names of `Operands` and `SplitOperands`, as far as they are wanted.

    Operands: matrix, V, b, Vz, bz, step size, diffusion, inputs, ticket, anchors, final state,
    cotangents of final state and of states.
    """
    m, n, width = static.inputs, static.units, static.width
    gate = wanted.weights and static.gated
    matrix = "recurrent_matrix" if static.parts == 1 else "coupling"
    results = {
        matrix: (floats(width, width), wanted.weights),
        "input_kernel": (floats(m, n), wanted.weights),
        "bias": (floats(n), wanted.weights),
        "gate_input_kernel": (floats(m, n), gate),
        "gate_bias": (floats(n), gate),
        "step_size": (floats(), True),
        "diffusion": (floats(), wanted.diffusion),
        "inputs": (floats(static.steps, static.batch, m), wanted.inputs),
        "initial_state": (floats(static.batch, static.lines * width), True),
    }
    types = [kind if is_wanted else NOTHING for kind, is_wanted in results.values()]
    found = call(
        library.target(library.BACKWARD, static.kernel), static.attributes(), types, operands
    )
    return {
        name: array[0]
        for (name, (_, is_wanted)), array in zip(results.items(), found, strict=True)
        if is_wanted
    }
