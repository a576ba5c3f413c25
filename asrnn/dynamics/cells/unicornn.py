"""The undamped independent controlled oscillatory RNN (UnICORNN) of Rusch and Mishra (ICML 2021).

    y'' = -σ(c)² ∘ (tanh(w ∘ y + V u + b) + α y)

Oscillators without damping that do not act on each other: w and c are vectors, and σ(c) is a time
scale for each unit. Units meet where layers are stacked (`model.num_layers`): V of the second layer
is a full matrix. With z = y' / σ(c) this is a Hamiltonian system,

    y' = σ(c) ∘ z,    z' = -σ(c) ∘ (tanh(w ∘ y + V u + b) + α y)

and the published update, the momentum first, is symplectic Euler, whose step can be inverted
exactly:

    z⁺ = z - Δt σ(c) ∘ (tanh(w ∘ y + V u + b) + α y),    y⁺ = y + Δt σ(c) ∘ z⁺

Source: arXiv:2103.05487, section 2. Its residual connections between layers, which are for deep
stacks, and its dropout are not here.
"""

from typing import NamedTuple

from asrnn.dynamics.contract import STEP_SIZE, STIFFNESS, Ode, Scalars, two_states
from asrnn.dynamics.initializers import INPUT_SCALE, input_kernel
from asrnn.dynamics.tanh_field import affine
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Key, Params

Pair = tuple[Array, Array]


class IndependentOscillators(NamedTuple):
    """y' = σ(c) ∘ z, z' = -σ(c) ∘ (tanh(w ∘ y + V u + b) + α y).

    Attributes:
      recurrent_diagonal: w, `[n]`.
      time_scale: c, `[n]`.
      input_kernel: Vᵀ, `[m, n]`.
      bias: b, `[n]`.
      stiffness: α.
    """

    recurrent_diagonal: Array
    time_scale: Array
    input_kernel: Array
    bias: Array
    stiffness: Array | float

    def position_rate(self, state: Pair, x: Array) -> Array:
        """y' `[..., n]`, which reads z alone."""
        del x
        return self._rate(state[1]) * state[1]

    def momentum_rate(self, state: Pair, x: Array) -> Array:
        """z' `[..., n]`, which reads y `[..., n]` and x `[..., m]` alone."""
        y, _ = state
        own = _rows(self.recurrent_diagonal, y) * y
        force = jnp.tanh(own + affine(x, self.input_kernel, self.bias)) + self.stiffness * y
        return -self._rate(y) * force

    def __call__(self, state: Pair, x: Array) -> Pair:
        """(y', z')."""
        return self.position_rate(state, x), self.momentum_rate(state, x)

    def _rate(self, like: Array) -> Array:
        return jax.nn.sigmoid(_rows(self.time_scale, like))


def _rows(vector: Array, like: Array) -> Array:
    """A vector `[n]` with the leading axes that `[..., n]` has, each of size 1."""
    return jnp.expand_dims(vector, range(like.ndim - 1))


def unicornn_field(params: Params, coefficients: Scalars) -> IndependentOscillators:
    """The field at some parameters."""
    return IndependentOscillators(**params, stiffness=coefficients["stiffness"])


def init_unicornn(
    key: Key, input_size: int, hidden_size: int, *, input_scale: float = 1.0
) -> Params:
    """w ~ U(0, 1), c ~ U(-0.1, 0.1) as published; V ~ N(0, 1/m) times `input_scale`, b = 0."""
    key_diagonal, key_scale, key_input = jax.random.split(key, 3)
    n = hidden_size
    return {
        "recurrent_diagonal": jax.random.uniform(key_diagonal, (n,)),
        "time_scale": jax.random.uniform(key_scale, (n,), minval=-0.1, maxval=0.1),
        "input_kernel": input_kernel(key_input, input_size, n, input_scale),
        "bias": jnp.zeros(n),
    }


UNICORNN = Ode(
    init_unicornn,
    unicornn_field,
    "Rusch, Mishra 2021, UnICORNN",
    (STEP_SIZE, STIFFNESS, INPUT_SCALE),
    initial_state=two_states,
    offers=frozenset({"field", "split"}),
    separable=(),
)
