"""The Hamiltonian form of an antisymmetric network: position and momentum, half of n each.

S = [[0, K], [-Kᵀ, 0]] in eq. 12 of the paper:

    y' = tanh(K z + V_y x + b_y - γ y),    z' = tanh(-Kᵀ y + V_z x + b_z - γ z)

S is antisymmetric, so the field is one of the paper's, with half the products of a dense S and
(n/2)² free entries. For γ = 0 each rate depends on the other part alone: `symplectic_euler` and
`leapfrog` are then explicit, invertible, and neutral on the imaginary axis.

Source: Haber, Ruthotto, Stable Architectures for Deep Neural Networks (2017), section 3.2;
Chang, Meng, Haber, Ruthotto, Begert, Holtham, Reversible Architectures (2018).
"""

from asrnn.dynamics.contract import DIFFUSION, STEP_SIZE, Ode, Scalars, one_state
from asrnn.dynamics.initializers import (
    GATE_BIAS,
    INIT_SCALE,
    INPUT_SCALE,
    gate_parameters,
    input_kernel,
    normal,
)
from asrnn.dynamics.tanh_field import SplitTanhField
from asrnn.errors import ConfigError
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Key, Params, State


def hamiltonian_field(params: Params, coefficients: Scalars) -> SplitTanhField:
    """The field of a state (y, z), with the gate if there are parameters of one."""
    return SplitTanhField(
        params["coupling"],
        params["input_kernel"],
        params["bias"],
        params.get("gate_input_kernel"),
        params.get("gate_bias"),
        coefficients["diffusion"],
    )


def init_hamiltonian(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """K ~ N(0, σ_w²/(n/2)), V ~ N(0, 1/m) as variances times `input_scale`, b = 0.

    The eigenvalues of S are ± i times the singular values of K, which reach about 2 σ_w, as those
    of the antisymmetric cell do.

    Raises:
      ConfigError: if n is odd.
    """
    half, rest = divmod(hidden_size, 2)
    if rest:
        raise ConfigError(
            "config.model.hidden_size must be even, half positions and half momenta,"
            f" found {hidden_size}"
        )
    key_recurrent, key_input = jax.random.split(key)
    return {
        "coupling": normal(key_recurrent, (half, half), init_scale**2 / half),
        "input_kernel": input_kernel(key_input, input_size, hidden_size, input_scale),
        "bias": jnp.zeros(hidden_size),
    }


def init_gated_hamiltonian(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
    gate_bias: float = 0.0,
) -> Params:
    """Those of `init_hamiltonian`, the gate's kernel drawn like V, its bias `gate_bias`."""
    key, key_gate = jax.random.split(key)
    plain = init_hamiltonian(
        key, input_size, hidden_size, init_scale=init_scale, input_scale=input_scale
    )
    return plain | gate_parameters(key_gate, input_size, hidden_size, input_scale, gate_bias)


def _initial_state(params: Params, batch_size: int) -> State:
    return tuple(jnp.split(one_state(params, batch_size), 2, axis=-1))


def _hidden_state(state: State) -> Array:
    """(y, z) side by side, `[B, n]`."""
    return jnp.concatenate(state, axis=-1)


HAMILTONIAN = Ode(
    init_hamiltonian,
    hamiltonian_field,
    "Haber, Ruthotto 2017, section 3.2",
    (STEP_SIZE, DIFFUSION, INIT_SCALE, INPUT_SCALE),
    initial_state=_initial_state,
    hidden_state=_hidden_state,
    offers=frozenset({"field", "split"}),
    separable=("diffusion",),
)
GATED_HAMILTONIAN = Ode(
    init_gated_hamiltonian,
    hamiltonian_field,
    "Haber, Ruthotto 2017, with the gate of Chang, Chen, Haber, Chi 2019, eq. 13",
    (STEP_SIZE, DIFFUSION, INIT_SCALE, INPUT_SCALE, GATE_BIAS),
    initial_state=_initial_state,
    hidden_state=_hidden_state,
    offers=frozenset({"field", "split"}),
    separable=("diffusion",),
)
