"""The AntisymmetricRNN of Chang, Chen, Haber and Chi (ICLR 2019, arXiv:1902.09689).

W is strictly upper triangular and stored as the packed vector of its n(n-1)/2 free
entries, row by row, so no entry exists that could break the antisymmetry of W - Wᵀ.
"""

import numpy as np

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
from asrnn.typing import Array, Key, Params


def antisymmetric_matrix(recurrent_triangle: Array, hidden_size: int) -> Array:
    """S = W - Wᵀ `[n, n]` from the packed strict upper triangle of W `[n(n-1)/2]`."""
    upper = jnp.zeros((hidden_size, hidden_size), recurrent_triangle.dtype)
    upper = upper.at[np.triu_indices(hidden_size, k=1)].set(recurrent_triangle)
    return upper - upper.T


def packed_triangle(matrix: Array) -> Array:
    """The packed strict upper triangle `[n(n-1)/2]` of a matrix `[n, n]`, row by row."""
    return matrix[np.triu_indices(matrix.shape[0], k=1)]


def recurrent_matrix(params: Params, diffusion: Array | float) -> Array:
    """A = W - Wᵀ - γI `[n, n]` (paper, eq. 12), γ on the diagonal only."""
    n = params["bias"].shape[0]
    identity = jnp.eye(n, dtype=params["bias"].dtype)
    return antisymmetric_matrix(params["recurrent_triangle"], n) - diffusion * identity


def antisymmetric_field(params: Params, coefficients: Scalars) -> TanhField:
    """f(h, x) = tanh((W - Wᵀ - γI) h + V x + b) (paper, eq. 12)."""
    A = recurrent_matrix(params, coefficients["diffusion"])
    return TanhField(A, params["input_kernel"], params["bias"])


def gated_antisymmetric_field(params: Params, coefficients: Scalars) -> TanhField:
    """f(h, x) = z ∘ tanh(A h + V x + b), z = σ(A h + V_z x + b_z) (paper, eq. 13)."""
    return TanhField(
        recurrent_matrix(params, coefficients["diffusion"]),
        params["input_kernel"],
        params["bias"],
        params["gate_input_kernel"],
        params["gate_bias"],
    )


def init_antisymmetric(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """Parameters of eq. 12: W ~ N(0, σ_w²/n), V ~ N(0, 1/m) as variances, b = 0.

    The variance of W concerns the entries that survive the triangular mask; the spectral
    radius of W - Wᵀ is then about 2 σ_w. `input_scale` multiplies V.
    """
    key_recurrent, key_input = jax.random.split(key)
    size = hidden_size * (hidden_size - 1) // 2
    return {
        "recurrent_triangle": normal(key_recurrent, (size,), init_scale**2 / hidden_size),
        "input_kernel": input_kernel(key_input, input_size, hidden_size, input_scale),
        "bias": jnp.zeros(hidden_size),
    }


def init_gated_antisymmetric(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
    gate_bias: float = 0.0,
) -> Params:
    """Parameters of eq. 13: those of eq. 12, V_z drawn like V, b_z = `gate_bias`."""
    key, key_gate = jax.random.split(key)
    plain = init_antisymmetric(
        key, input_size, hidden_size, init_scale=init_scale, input_scale=input_scale
    )
    return plain | gate_parameters(key_gate, input_size, hidden_size, input_scale, gate_bias)


ANTISYMMETRIC = Ode(
    init_antisymmetric,
    antisymmetric_field,
    "Chang, Chen, Haber, Chi 2019, eq. 12",
    (STEP_SIZE, DIFFUSION, INIT_SCALE, INPUT_SCALE),
)
GATED_ANTISYMMETRIC = Ode(
    init_gated_antisymmetric,
    gated_antisymmetric_field,
    "Chang, Chen, Haber, Chi 2019, eq. 13",
    (STEP_SIZE, DIFFUSION, INIT_SCALE, INPUT_SCALE, GATE_BIAS),
    offers=frozenset({"field", "gate"}),
)
