"""The vector fields that the networks with one tanh share, ready to be evaluated."""

from typing import NamedTuple

from asrnn.lazy import jax, jnp, lax
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

    def frozen(self, h: Array, x: Array) -> "FrozenGate":
        """The field with the gate as it is at this state and input."""
        return FrozenGate(self, self.candidate_and_gate(h, x)[1])


class FrozenGate(NamedTuple):
    """f(h, x) = z ∘ tanh(A h + V x + b) with a z that stays what it is."""

    field: TanhField
    gate: Array | None

    def __call__(self, h: Array, x: Array) -> Array:
        """Evaluates f at h `[..., n]` and x `[..., m]`; the result is `[..., n]`."""
        field = self.field._replace(gate_input_kernel=None, gate_bias=None)
        candidate = field(h, x)
        return candidate if self.gate is None else self.gate * candidate


Pair = tuple[Array, Array]


class SplitTanhField(NamedTuple):
    """The field of a position y and a momentum z, `[..., n/2]` each.

        y' = σ_y ∘ tanh( K z  + V_y x + b_y - γ y)
        z' = σ_z ∘ tanh(-Kᵀ y + V_z x + b_z - γ z)

    with gates σ(K z + V'_y x + b'_y) and σ(-Kᵀ y + V'_z x + b'_z), or 1. Without γ in the gate,
    whose argument is what the other part says.

    Attributes:
      coupling: K, `[n/2, n/2]`.
      input_kernel: Vᵀ, `[m, n]`, the columns of the position first, as in all that follow.
      bias: b, `[n]`.
      gate_input_kernel: V'ᵀ, `[m, n]`, or None for a field without a gate.
      gate_bias: b', `[n]`, or None.
      diffusion: γ.
    """

    coupling: Array
    input_kernel: Array
    bias: Array
    gate_input_kernel: Array | None
    gate_bias: Array | None
    diffusion: Array | float

    def position_rate(self, state: Pair, x: Array) -> Array:
        """y' at (y, z) and x `[..., m]`."""
        y, z = state
        return self._rate(z @ self.coupling.T, y, x, slice(None, self.coupling.shape[0]))

    def momentum_rate(self, state: Pair, x: Array) -> Array:
        """z' at (y, z) and x `[..., m]`."""
        y, z = state
        return self._rate(-(y @ self.coupling), z, x, slice(self.coupling.shape[0], None))

    def __call__(self, state: Pair, x: Array) -> Pair:
        """(y', z')."""
        return self.position_rate(state, x), self.momentum_rate(state, x)

    def _rate(self, coupled: Array, own: Array, x: Array, columns: slice) -> Array:
        driven = coupled + affine(x, self.input_kernel[:, columns], self.bias[columns])
        rate = jnp.tanh(driven - self.diffusion * own)
        if self.gate_input_kernel is None or self.gate_bias is None:
            return rate
        gate_kernel, gate_bias = self.gate_input_kernel[:, columns], self.gate_bias[columns]
        return jax.nn.sigmoid(coupled + affine(x, gate_kernel, gate_bias)) * rate


def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """x K + b for x `[..., m]`, K `[m, n]`, b `[n]`, over any leading axes."""
    return x @ kernel + jnp.expand_dims(bias, range(x.ndim - 1))
