"""Vector fields for the tests of schemes: small, and of every form that a scheme may need."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.dynamics import SCHEMES, SplitTanhField, TanhField
from asrnn.typing import Step

N, M = 6, 2
IMPLICIT = [name for name, scheme in SCHEMES.items() if scheme.failures is not None]
EXACT = {"solver": "fixed_point", "tolerance": 1e-13, "max_iterations": 200}


def _normal(*shape: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def antisymmetric(diffusion: float = 0.0, scale: float = 1.0) -> TanhField:
    """tanh((S - γI) h + V x + b) with an antisymmetric S."""
    W = jnp.triu(_normal(N, N, seed=0), 1)
    A = scale * (W - W.T) - diffusion * jnp.eye(N)
    return TanhField(A, _normal(M, N, seed=1), 0.3 * _normal(N, seed=2))


def gated(diffusion: float = 0.3) -> TanhField:
    """The same with a gate."""
    plain = antisymmetric(diffusion)
    return plain._replace(
        gate_input_kernel=_normal(M, N, seed=3), gate_bias=0.3 * _normal(N, seed=4)
    )


def split(diffusion: float = 0.0) -> SplitTanhField:
    """Position and momentum, coupled by a K."""
    plain = antisymmetric()
    coupling = _normal(N // 2, N // 2, seed=5)
    return SplitTanhField(coupling, plain.input_kernel, plain.bias, None, None, diffusion)


class Semilinear(NamedTuple):
    """A h + tanh(W h + V x + b) with an antisymmetric A."""

    linear: jax.Array
    nonlinear: TanhField

    def linear_part(self) -> jax.Array:
        return self.linear

    def remainder(self, h: jax.Array, x: jax.Array) -> jax.Array:
        return self.nonlinear(h, x)

    def __call__(self, h: jax.Array, x: jax.Array) -> jax.Array:
        return h @ self.linear.T + self.nonlinear(h, x)


def semilinear() -> Semilinear:
    """With a W that is not antisymmetric."""
    plain = antisymmetric()
    return Semilinear(
        2 * plain.recurrent_matrix,
        plain._replace(recurrent_matrix=_normal(N, N, seed=6) / np.sqrt(N)),
    )


class Rotation(NamedTuple):
    """y' = ω z, z' = -ω y: the imaginary axis, in every form."""

    omega: float

    def linear_part(self) -> jax.Array:
        return jnp.array([[0.0, self.omega], [-self.omega, 0.0]])

    def remainder(self, h: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.zeros_like(h)

    def position_rate(self, state: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
        return self.omega * state[1]

    def momentum_rate(self, state: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
        return -self.omega * state[0]

    def __call__(self, h: jax.Array, x: jax.Array) -> jax.Array:
        return h @ self.linear_part().T


def start(needs: str) -> jax.Array | tuple[jax.Array, jax.Array]:
    """A state `[1, N]`, or a pair of halves for a scheme that needs a split form."""
    h = _normal(1, N, seed=7)
    return (h[:, : N // 2], h[:, N // 2 :]) if needs == "split" else h


def flat(state: jax.Array | tuple[jax.Array, jax.Array]) -> jax.Array:
    """The entries of a state side by side."""
    return jnp.concatenate(jax.tree.leaves(state), axis=-1)


INPUT = np.array([[0.4, -1.1]])


def step_of(name: str, field: Any, step_size: Any, **values: Any) -> Step:
    """The step of a scheme; implicit ones solve to rounding unless told otherwise."""
    solver = EXACT | values if name in IMPLICIT else values
    return SCHEMES[name].step(field, step_size, **solver)
