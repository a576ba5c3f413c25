"""For which sizes kernels are compiled, and how they are laid out: the Python side of variant.cuh.

A block of threads runs one sequence, thread i unit i. `lanes` neighbouring threads share as many
rows of A and divide their columns into quads, four columns each; a thread holds its first
`held_quads` in registers and the others in shared memory.
"""

from typing import NamedTuple

MAX_UNITS = 256
# Up to so many inputs V x + b is computed within the kernel, and the sums of its gradient too;
# beyond, by products before and after it.
MAX_INPUTS = 4
WARP = 32
DEPTH = 8  # steps on their way from global memory; kDepth of variant.cuh
# A thread has 255 registers; this many quads take 192 of them. With fewer, reading A from shared
# memory would take longer than the arithmetic.
HELD_QUADS = 6


class Variant(NamedTuple):
    """What a kernel is compiled for.

    Attributes:
      units: n, at most `MAX_UNITS`.
      inputs: m, or 0 where V x + b comes ready made: "wide".
      gated: whether there is a gate.
    """

    units: int
    inputs: int
    gated: bool

    @property
    def wide(self) -> bool:
        """Whether V x + b is computed outside of the kernel."""
        return self.inputs == 0

    @property
    def gates(self) -> int:
        """How many affine functions of the inputs there are."""
        return 2 if self.gated else 1

    @property
    def lanes(self) -> int:
        """Threads that share rows of A: the more, the fewer elements of h each reads."""
        return 4 if self.units <= 128 else 8

    @property
    def threads(self) -> int:
        """Of a block."""
        return _round_up(self.units, WARP)

    @property
    def quads(self) -> int:
        """Of columns, of a thread."""
        return _round_up(self.units, 4 * self.lanes) // (4 * self.lanes)

    @property
    def held_quads(self) -> int:
        """Of these, in registers."""
        return self.quads if self.lanes == 4 else min(self.quads, HELD_QUADS)

    @property
    def forward_bytes(self) -> int:
        """Shared memory of the forward kernel."""
        drive = 0 if self.wide else (self.inputs + 1) * self.threads
        slot = self.gates * self.threads if self.wide else self.inputs
        return 4 * (self._vectors_and_weights + self.gates * drive + DEPTH * slot)

    @property
    def backward_bytes(self) -> int:
        """Shared memory of the backward kernel."""
        slot = (self.gates + 1) * self.threads + self.inputs
        return 4 * (self._vectors_and_weights + DEPTH * slot)

    @property
    def _vectors_and_weights(self) -> int:
        line = 4 * self.lanes * self.quads
        return 2 * line + (self.quads - self.held_quads) * self.lanes * 4 * self.threads

    def macros(self) -> dict[str, int]:
        """What the source is compiled with."""
        return {
            "ASRNN_UNITS": self.units,
            "ASRNN_INPUTS": self.inputs,
            "ASRNN_GATED": int(self.gated),
            "ASRNN_LANES": self.lanes,
            "ASRNN_HELD_QUADS": self.held_quads,
            "ASRNN_FORWARD_SHARED": self.forward_bytes,
            "ASRNN_BACKWARD_SHARED": self.backward_bytes,
        }


def make_variant(units: int, inputs: int, gated: bool) -> Variant:
    """The variant that runs a network of these sizes."""
    return Variant(units, inputs if inputs <= MAX_INPUTS else 0, gated)


def _round_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
