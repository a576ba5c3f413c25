"""The recurrence as native kernels, one for each platform, forward and backward.

    u_t = A h_{t-1} + V x_t + b
    plain   h_t = h_{t-1} + step_size * tanh(u_t)
    gated   h_t = h_{t-1} + step_size * sigmoid(A h_{t-1} + Vz x_t + bz) * tanh(u_t)

Both are compiled at first use for the machine at hand: C++ for the CPU, CUDA for NVIDIA's GPUs.
"""

from typing import Any

import jax

from asrnn.recurrence.native import cpu, cuda
from asrnn.recurrence.native.operands import Result

__all__ = ["available", "unroll"]


def available(units: int, inputs: int, gated: bool) -> str | None:
    """None if this machine has a kernel for networks of these sizes, else the reason in one line.

    The first call compiles the kernel unless it is in the user's cache.

    Args:
      units: n.
      inputs: m.
      gated: whether there is a gate.
    """
    platform = jax.default_backend()
    if platform == "cpu":
        return cpu.available()
    if platform == "gpu":
        return cuda.available(units, inputs, gated)
    return f"there is none for {platform}"


def unroll(*operands: Any, return_states: bool, remat: bool = False) -> Result:
    """`cpu.unroll` or `cuda.unroll`, by the platform of this process; they say what they take."""
    run = cuda.unroll if jax.default_backend() == "gpu" else cpu.unroll
    return run(*operands, return_states=return_states, remat=remat)
