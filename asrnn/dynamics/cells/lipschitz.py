"""The Lipschitz RNN of Erichson, Azencot, Queiruga, Hodgkinson and Mahoney (ICLR 2021).

    h' = A h + tanh(W h + U x + b)

A linear part stands outside the tanh, so the field is Lipschitz in h with a constant that A and W
bound. Both matrices are made of free ones, B and C, in the same way:

    A = β (B - Bᵀ) + (1-β) (B + Bᵀ) - γI

β = 1 leaves the antisymmetric part, β = 1/2 is B itself, and γ moves the spectrum to the left.

Source: arXiv:2006.12070, sections 3 and 4. The paper has a β and a γ for each of A and W; its
published code, and this cell, have one of each. The gated form is in that code only.
"""

from typing import NamedTuple

from asrnn.dynamics.contract import DIFFUSION, STEP_SIZE, Ode, Scalars
from asrnn.dynamics.initializers import (
    GATE_BIAS,
    INIT_SCALE,
    INPUT_SCALE,
    gate_parameters,
    input_kernel,
    normal,
)
from asrnn.dynamics.tanh_field import TanhField
from asrnn.lazy import jax, jnp
from asrnn.options import Check, Option, Use
from asrnn.typing import Array, Key, Params

BETA = Option(
    "beta",
    0.75,
    "β: 1 is an antisymmetric matrix, 0 a symmetric one",
    Check("in [0, 1]", lambda v: 0 <= v <= 1),
    Use.RUN_TIME,
)


def constrained_matrix(free: Array, beta: Array | float, diffusion: Array | float) -> Array:
    """β (B - Bᵀ) + (1-β) (B + Bᵀ) - γI `[n, n]` of a free B `[n, n]`."""
    identity = jnp.eye(free.shape[0], dtype=free.dtype)
    return beta * (free - free.T) + (1 - beta) * (free + free.T) - diffusion * identity


class LipschitzField(NamedTuple):
    """f(h, x) = A h + tanh(W h + U x + b).

    Attributes:
      linear_matrix: A, `[n, n]`, acting on columns.
      nonlinear: tanh(W h + U x + b).
    """

    linear_matrix: Array
    nonlinear: TanhField

    def linear_part(self) -> Array:
        """A `[n, n]`, acting on columns."""
        return self.linear_matrix

    def remainder(self, h: Array, x: Array) -> Array:
        """f(h, x) - A h, `[..., n]`."""
        return self.nonlinear(h, x)

    def __call__(self, h: Array, x: Array) -> Array:
        """Evaluates f at h `[..., n]` and x `[..., m]`; the result is `[..., n]`."""
        return h @ self.linear_matrix.T + self.nonlinear(h, x)


class GatedLipschitzField(NamedTuple):
    """f(h, x) = z ∘ (A h + tanh(W h + U x + b)), z = σ(W h + U_z x + b_z).

    Gate and candidate share W h, as in eq. 13 of Chang et al. 2019. The gate multiplies the linear
    part too, so this field is not semi-linear.

    Attributes:
      linear_matrix: A, `[n, n]`, acting on columns.
      nonlinear: tanh(W h + U x + b) and its gate.
      fixed_gate: z, where it stays what it is.
    """

    linear_matrix: Array
    nonlinear: TanhField
    fixed_gate: Array | None = None

    def frozen(self, h: Array, x: Array) -> "GatedLipschitzField":
        """The field with the gate as it is at this state and input."""
        return self._replace(fixed_gate=self.nonlinear.candidate_and_gate(h, x)[1])

    def __call__(self, h: Array, x: Array) -> Array:
        """Evaluates f at h `[..., n]` and x `[..., m]`; the result is `[..., n]`."""
        candidate, gate = self.nonlinear.candidate_and_gate(h, x)
        if self.fixed_gate is not None:
            gate = self.fixed_gate
        assert gate is not None
        return gate * (h @ self.linear_matrix.T + candidate)


def lipschitz_field(params: Params, coefficients: Scalars) -> LipschitzField:
    """The field at some parameters, A and W made once per sequence."""
    A, W = _matrices(params, coefficients)
    return LipschitzField(A, TanhField(W, params["input_kernel"], params["bias"]))


def gated_lipschitz_field(params: Params, coefficients: Scalars) -> GatedLipschitzField:
    """The gated field at some parameters, A and W made once per sequence."""
    A, W = _matrices(params, coefficients)
    gate = params["gate_input_kernel"], params["gate_bias"]
    return GatedLipschitzField(A, TanhField(W, params["input_kernel"], params["bias"], *gate))


def _matrices(params: Params, coefficients: Scalars) -> tuple[Array, Array]:
    beta, diffusion = coefficients["beta"], coefficients["diffusion"]
    return (
        constrained_matrix(params["linear_kernel"], beta, diffusion),
        constrained_matrix(params["recurrent_kernel"], beta, diffusion),
    )


def init_lipschitz(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """B, C ~ N(0, σ_w²/n), U ~ N(0, 1/m) times `input_scale`, as variances; b = 0.

    The published code draws B and C with the standard deviation 0.1/n, which is σ_w = 0.1/√n.
    """
    key_linear, key_recurrent, key_input = jax.random.split(key, 3)
    n, variance = hidden_size, init_scale**2 / hidden_size
    return {
        "linear_kernel": normal(key_linear, (n, n), variance),
        "recurrent_kernel": normal(key_recurrent, (n, n), variance),
        "input_kernel": input_kernel(key_input, input_size, n, input_scale),
        "bias": jnp.zeros(n),
    }


def init_gated_lipschitz(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
    gate_bias: float = 0.0,
) -> Params:
    """Those of `init_lipschitz`; U_z is drawn like U, b_z = `gate_bias`."""
    key, key_gate = jax.random.split(key)
    plain = init_lipschitz(
        key, input_size, hidden_size, init_scale=init_scale, input_scale=input_scale
    )
    return plain | gate_parameters(key_gate, input_size, hidden_size, input_scale, gate_bias)


LIPSCHITZ = Ode(
    init_lipschitz,
    lipschitz_field,
    "Erichson, Azencot, Queiruga, Hodgkinson, Mahoney 2021",
    (STEP_SIZE, DIFFUSION, BETA, INIT_SCALE, INPUT_SCALE),
    offers=frozenset({"field", "linear"}),
)
GATED_LIPSCHITZ = Ode(
    init_gated_lipschitz,
    gated_lipschitz_field,
    "Erichson, Azencot, Queiruga, Hodgkinson, Mahoney 2021, the gated form of their code",
    (STEP_SIZE, DIFFUSION, BETA, INIT_SCALE, INPUT_SCALE, GATE_BIAS),
    offers=frozenset({"field", "gate"}),
)
