"""The recurrence as native kernels, one for each platform, forward and backward.

    u_t = A h_{t-1} + V x_t + b
    plain   h_t = h_{t-1} + step_size * tanh(u_t)
    gated   h_t = h_{t-1} + step_size * sigmoid(A h_{t-1} + Vz x_t + bz) * tanh(u_t)

Both are compiled at first use for the machine at hand: C++ for the CPU, CUDA for NVIDIA's GPUs.
"""

from asrnn.recurrence.native import cpu

__all__ = ["available", "unroll"]

unroll = cpu.unroll
available = cpu.available
