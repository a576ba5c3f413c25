"""The coupled oscillatory RNN (coRNN) of Rusch and Mishra (ICLR 2021).

    y'' = tanh(W y + 𝒲 y' + V u + b) - γ y - ε y'

A network of driven and damped oscillators: γ is the stiffness, ε the damping, and the state is the
pair (y, z) with z = y'. Hidden states and gradients stay bounded for a small enough step size.

The published update moves the velocity first, and the position with the new velocity, which is
symplectic Euler:

    z⁺ = z + Δt (tanh(W y + 𝒲 z + V u + b) - γ y - ε z),    y⁺ = y + Δt z⁺

Source: arXiv:2010.00951, section 2. The paper's ε is not the step size, which is Δt there.
"""

from typing import NamedTuple

from asrnn.dynamics.contract import DAMPING, STEP_SIZE, STIFFNESS, Ode, Scalars, two_states
from asrnn.dynamics.initializers import INIT_SCALE, INPUT_SCALE, input_kernel, normal
from asrnn.dynamics.tanh_field import affine
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Key, Params

Pair = tuple[Array, Array]


class CoupledOscillators(NamedTuple):
    """y' = z, z' = tanh(W y + 𝒲 z + V u + b) - γ y - ε z.

    Attributes:
      recurrent_kernel: W, `[n, n]`, acting on columns.
      velocity_kernel: 𝒲, `[n, n]`, acting on columns.
      input_kernel: Vᵀ, `[m, n]`.
      bias: b, `[n]`.
      stiffness: γ.
      damping: ε.
    """

    recurrent_kernel: Array
    velocity_kernel: Array
    input_kernel: Array
    bias: Array
    stiffness: Array | float
    damping: Array | float

    def position_rate(self, state: Pair, x: Array) -> Array:
        """y' `[..., n]`."""
        del x
        return state[1]

    def momentum_rate(self, state: Pair, x: Array) -> Array:
        """z' `[..., n]`, at y, z `[..., n]` and x `[..., m]`."""
        y, z = state
        coupled = y @ self.recurrent_kernel.T + z @ self.velocity_kernel.T
        force = jnp.tanh(coupled + affine(x, self.input_kernel, self.bias))
        return force - self.stiffness * y - self.damping * z

    def __call__(self, state: Pair, x: Array) -> Pair:
        """(y', z')."""
        return self.position_rate(state, x), self.momentum_rate(state, x)


def cornn_field(params: Params, coefficients: Scalars) -> CoupledOscillators:
    """The field at some parameters."""
    return CoupledOscillators(
        **params, stiffness=coefficients["stiffness"], damping=coefficients["damping"]
    )


def init_cornn(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """W, 𝒲 ~ N(0, σ_w²/n), V ~ N(0, 1/m) times `input_scale`, as variances; b = 0.

    The published code draws all four uniformly from ±1/√(m + 2n). For m ≪ n that has the variance
    of σ_w = 0.41.
    """
    key_recurrent, key_velocity, key_input = jax.random.split(key, 3)
    n, variance = hidden_size, init_scale**2 / hidden_size
    return {
        "recurrent_kernel": normal(key_recurrent, (n, n), variance),
        "velocity_kernel": normal(key_velocity, (n, n), variance),
        "input_kernel": input_kernel(key_input, input_size, n, input_scale),
        "bias": jnp.zeros(n),
    }


CORNN = Ode(
    init_cornn,
    cornn_field,
    "Rusch, Mishra 2021, Coupled Oscillatory Recurrent Neural Network",
    (STEP_SIZE, STIFFNESS, DAMPING, INIT_SCALE, INPUT_SCALE),
    initial_state=two_states,
    offers=frozenset({"field", "split"}),
)
