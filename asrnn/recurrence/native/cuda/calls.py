"""The two FFI calls of the CUDA kernels. A population's members become more blocks of threads."""

import dataclasses
from typing import NamedTuple

import jax

from asrnn.recurrence.native.cuda import library
from asrnn.recurrence.native.cuda.variant import Variant
from asrnn.recurrence.native.members import NOTHING, call, floats, member

Maybe = jax.Array | None


@dataclasses.dataclass(frozen=True)
class StaticArguments:
    """The static part of a call. Letters: T, B, m, n as everywhere."""

    steps: int
    batch: int
    variant: Variant
    image: int
    return_states: bool
    precision: str | None
    """`jax_default_matmul_precision`, for the products that XLA makes."""

    @property
    def state(self) -> tuple[int, int]:
        """The shape of a state."""
        return (self.batch, self.variant.units)

    @property
    def sequence(self) -> tuple[int, int, int]:
        """The shape of all states."""
        return (self.steps, *self.state)

    def attributes(self) -> dict[str, int]:
        """The attributes that both handlers read."""
        return {
            "steps": self.steps,
            "batch": self.batch,
            "inputs": self.variant.inputs,
            "units": self.variant.units,
            "image": self.image,
            "threads": self.variant.threads,
            "forward_bytes": self.variant.forward_bytes,
            "backward_bytes": self.variant.backward_bytes,
        }


class Drive(NamedTuple):
    """What drives the recurrence.

    Narrow: x [T, B, m] and the parameters. Wide: V x + b [T, B, n], and Vz x + bz if gated.
    """

    inputs: jax.Array
    gate_inputs: Maybe = None
    input_kernel: Maybe = None
    bias: Maybe = None
    gate_input_kernel: Maybe = None
    gate_bias: Maybe = None


class Forward(NamedTuple):
    """Results of the forward kernel; those after the first are None unless asked for."""

    last: jax.Array  # [B, n]
    states: Maybe  # [T, B, n]
    before: Maybe  # [T, B, n], the state before each step
    candidate: Maybe  # [T, B, n]
    gate: Maybe  # [T, B, n]


def forward(
    static: StaticArguments,
    recurrent_matrix: jax.Array,
    step_size: jax.Array,
    initial_state: jax.Array,
    drive: Drive,
    *,
    keep_before: bool,
    keep_activations: bool,
) -> Forward:
    """Runs a sequence; keeps what a backward pass needs."""
    gated = static.variant.gated
    wanted = (static.return_states, keep_before, keep_activations, keep_activations and gated)
    sequence = floats(*static.sequence)
    results = [floats(*static.state), *(sequence if one else NOTHING for one in wanted)]
    operands = [member(array) for array in (recurrent_matrix, step_size, initial_state, *drive)]
    last, *others = call(library.FORWARD, static.attributes(), results, operands)
    found = (array[0] if one else None for one, array in zip(wanted, others, strict=True))
    return Forward(last[0], *found)


class Backward(NamedTuple):
    """Results of the backward kernel; None where they were not asked for.

    The sums over the batch are left to the caller. `slopes` is the gradient in A h: in the
    arguments of tanh and sigmoid together, or, with `gate_slopes`, of tanh alone.
    """

    slopes: Maybe  # [T, B, n]
    gate_slopes: Maybe  # [T, B, n]
    step_size: jax.Array  # [B, n]
    initial_state: jax.Array  # [B, n]
    input_kernel: Maybe  # [B, m, n]
    bias: Maybe  # [B, n]
    gate_input_kernel: Maybe  # [B, m, n]
    gate_bias: Maybe  # [B, n]


def backward(
    static: StaticArguments,
    recurrent_matrix: jax.Array,
    step_size: jax.Array,
    kept: Forward,
    last: jax.Array,
    states: Maybe,
    inputs: Maybe,
    *,
    slopes: bool,
    gate_slopes: bool,
) -> Backward:
    """Runs a sequence back.

    Args:
      static: as in the forward pass.
      recurrent_matrix: A.
      step_size: the step size.
      kept: what the forward pass kept.
      last: the gradient in the last state.
      states: the gradient in the states, if there is one.
      inputs: x of a narrow static, if the gradient in its parameters is wanted.
      slopes: whether these are wanted.
      gate_slopes: whether both kinds are wanted, each for itself.
    """
    variant = static.variant
    narrow = inputs is not None
    sequence, state = floats(*static.sequence), floats(*static.state)
    kernel = floats(static.batch, variant.inputs, variant.units)
    gate = narrow and variant.gated
    wanted = (slopes, gate_slopes, True, True, narrow, narrow, gate, gate)
    types = (sequence, sequence, state, state, kernel, state, kernel, state)
    results = [kind if one else NOTHING for one, kind in zip(wanted, types, strict=True)]
    given = (recurrent_matrix, step_size, kept.candidate, kept.gate, last, states, inputs)
    operands = [member(array) for array in given]
    found = call(library.BACKWARD, static.attributes(), results, operands)
    return Backward._make(
        one[0] if is_one else None for is_one, one in zip(wanted, found, strict=True)
    )
