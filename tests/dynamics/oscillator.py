"""A cell that the package does not have: two states, and a coefficient beside the paper's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from asrnn.dynamics.contract import DAMPING, STEP_SIZE, Ode, Scalars, two_states
from asrnn.dynamics.initializers import INIT_SCALE, input_kernel, normal
from asrnn.dynamics.tanh_field import affine
from asrnn.typing import Array, Key, Params

Pair = tuple[Array, Array]


class OscillatorField(NamedTuple):
    """y' = z, z' = tanh(y W + x V + b) - κ z, rows as states."""

    recurrent_kernel: Array
    input_kernel: Array
    bias: Array
    damping: Array | float

    def position_rate(self, state: Pair, x: Array) -> Array:
        return state[1]

    def momentum_rate(self, state: Pair, x: Array) -> Array:
        force = jnp.tanh(state[0] @ self.recurrent_kernel + affine(x, self.input_kernel, self.bias))
        return force - self.damping * state[1]

    def __call__(self, state: Pair, x: Array) -> Pair:
        return self.position_rate(state, x), self.momentum_rate(state, x)


def init(key: Key, m: int, n: int, *, init_scale: float = 1.0) -> Params:
    keys = jax.random.split(key)
    return {
        "recurrent_kernel": normal(keys[0], (n, n), init_scale**2 / n),
        "input_kernel": input_kernel(keys[1], m, n, 1.0),
        "bias": jnp.zeros(n),
    }


def field(params: Params, coefficients: Scalars) -> OscillatorField:
    return OscillatorField(**params, damping=coefficients["damping"])


OSCILLATOR = Ode(
    init,
    field,
    "made up",
    (STEP_SIZE, DAMPING, INIT_SCALE),
    initial_state=two_states,
    offers=frozenset({"field", "split"}),
)
