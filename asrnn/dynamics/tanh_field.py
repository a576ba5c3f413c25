"""The vector field that the paper's networks share, ready to be evaluated."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from asrnn.typing import Array


class TanhField(NamedTuple):
    """f(h, x) = z ∘ tanh(A h + V x + b), with z = σ(A h + V_z x + b_z) or 1.

    Gate and candidate share A h (paper, eq. 13), so it is computed once. Which matrix A
    is, antisymmetric with diffusion or unstructured, is for the cell to say.

    Attributes:
      recurrent_matrix: A, `[n, n]`, acting on columns: (A h)_i = Σ_j A_ij h_j.
      input_kernel: Vᵀ, `[m, n]`.
      bias: b, `[n]`.
      gate_input_kernel: V_zᵀ, `[m, n]`, or None for a field without a gate.
      gate_bias: b_z, `[n]`, or None.
    """

    recurrent_matrix: Array
    input_kernel: Array
    bias: Array
    gate_input_kernel: Array | None = None
    gate_bias: Array | None = None

    def __call__(self, h: Array, x: Array) -> Array:
        """Evaluates f at h `[..., n]` and x `[..., m]`; the result is `[..., n]`."""
        candidate, gate = self.candidate_and_gate(h, x)
        return candidate if gate is None else gate * candidate

    def candidate_and_gate(self, h: Array, x: Array) -> tuple[Array, Array | None]:
        """tanh(A h + V x + b) and z, both `[..., n]`; None for a field without a gate."""
        contracted = ((h.ndim - 1,), (1,))
        recurrent = lax.dot_general(h, self.recurrent_matrix, (contracted, ((), ())))
        candidate = jnp.tanh(recurrent + affine(x, self.input_kernel, self.bias))
        if self.gate_input_kernel is None or self.gate_bias is None:
            return candidate, None
        gate = jax.nn.sigmoid(recurrent + affine(x, self.gate_input_kernel, self.gate_bias))
        return candidate, gate


def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """x K + b for x `[..., m]`, K `[m, n]`, b `[n]`, over any leading axes."""
    return x @ kernel + jnp.expand_dims(bias, range(x.ndim - 1))
