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
        """Evaluates f at h `[B, n]` and x `[B, m]`; the result is `[B, n]`."""
        recurrent = lax.dot_general(h, self.recurrent_matrix, (((1,), (1,)), ((), ())))
        candidate = jnp.tanh(recurrent + affine(x, self.input_kernel, self.bias))
        if self.gate_input_kernel is None or self.gate_bias is None:
            return candidate
        gate = jax.nn.sigmoid(recurrent + affine(x, self.gate_input_kernel, self.gate_bias))
        return gate * candidate


def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """x K + b for x `[..., m]`, K `[m, n]`, b `[n]`, over any leading axes."""
    return x @ kernel + jnp.expand_dims(bias, range(x.ndim - 1))
