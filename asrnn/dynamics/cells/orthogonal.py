"""RNNs whose recurrent matrix is orthogonal, made of n(n-1)/2 free entries once per sequence.

    cayley:  Q = (I + C)⁻¹ (I - C)     h⁺ = tanh(Q h + V x + b)
    expm:    Q = e^S                   h⁺ = modReLU(Q h + V x, b)

C and S are skew-symmetric and stored as packed triangles, so Q is a rotation whatever they are:
a product with it changes no norm, and only the nonlinearity contracts.

Sources: Helfrich, Willmott, Ye, Orthogonal RNNs with scaled Cayley transform (ICML 2018,
arXiv:1707.09520), here without its diagonal of signs and with tanh, as Erichson et al. 2021
compare with it; Lezcano-Casado, Martínez-Rubio, Cheap Orthogonal Constraints in Neural Networks
(expRNN, ICML 2019, arXiv:1901.08428).
"""

from asrnn.dynamics.cells.antisymmetric import (
    antisymmetric_matrix,
    init_antisymmetric,
    packed_triangle,
)
from asrnn.dynamics.contract import MapCell, Scalars, one_state
from asrnn.dynamics.initializers import INIT_SCALE, INPUT_SCALE, input_kernel
from asrnn.dynamics.tanh_field import affine
from asrnn.lazy import jax, jnp, linalg
from asrnn.typing import Array, Key, Params


def cayley_transform(C: Array) -> Array:
    """(I + C)⁻¹ (I - C) `[n, n]`, orthogonal and without eigenvalue -1 for a skew C."""
    identity = jnp.eye(C.shape[0], dtype=C.dtype)
    transform: Array = jnp.linalg.solve(identity + C, identity - C)
    return transform


def mod_relu(a: Array, bias: Array) -> Array:
    """sign(a) max(|a| + b, 0) over the last axis: b < 0 is a dead zone around 0.

    The derivative at a = 0 is 1 unless b < 0, so that with b = 0 it is the identity.

    Source: the real form of Arjovsky, Shah and Bengio, Unitary Evolution RNNs (2016).
    """
    rows = jnp.expand_dims(bias, range(a.ndim - 1))
    return jnp.where(jnp.abs(a) + rows >= 0, a + rows * jnp.sign(a), 0)


def _with_cayley(params: Params) -> Params:
    C = _skew(params)
    return params | {"recurrent_matrix": cayley_transform(C).astype(params["bias"].dtype)}


def _with_exponential(params: Params) -> Params:
    S = _skew(params)
    return params | {"recurrent_matrix": linalg.expm(S).astype(params["bias"].dtype)}


def _skew(params: Params) -> Array:
    """The skew matrix `[n, n]`, of at least the precision that a factorisation knows."""
    triangle = params["recurrent_triangle"]
    wide = triangle.astype(jnp.promote_types(triangle.dtype, jnp.float32))
    return antisymmetric_matrix(wide, params["bias"].shape[0])


def cayley_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """h⁺ = tanh(Q h + V x + b) for h `[B, n]` and x `[B, m]`."""
    del coefficients
    (h,) = carry
    projected = affine(x, params["input_kernel"], params["bias"])
    return (jnp.tanh(h @ params["recurrent_matrix"].T + projected),)


def expm_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """h⁺ = modReLU(Q h + V x, b) for h `[B, n]` and x `[B, m]`."""
    del coefficients
    (h,) = carry
    driven = h @ params["recurrent_matrix"].T + x @ params["input_kernel"]
    return (mod_relu(driven, params["bias"]),)


def init_expm(key: Key, input_size: int, hidden_size: int, *, input_scale: float = 1.0) -> Params:
    """S by the initialisation of Helfrich et al. 2018; V ~ N(0, 1/m) times `input_scale`; b = 0.

    S is block-diagonal with blocks [[0, s], [-s, 0]], s = -√((1 - cos u) / (1 + cos u)) =
    -tan(u/2) and u ~ U(0, π/2): e^S rotates n/2 planes by angles of at most 1 radian. expRNN uses
    it for the pixel tasks. Its code draws b from ±0.01.
    """
    key_recurrent, key_input = jax.random.split(key)
    n = hidden_size
    u = jax.random.uniform(key_recurrent, (n // 2,), maxval=jnp.pi / 2)
    first = 2 * jnp.arange(n // 2)
    blocks = jnp.zeros((n, n)).at[first, first + 1].set(-jnp.tan(u / 2))
    return {
        "recurrent_triangle": packed_triangle(blocks),
        "input_kernel": input_kernel(key_input, input_size, n, input_scale),
        "bias": jnp.zeros(n),
    }


CAYLEY = MapCell(
    init_antisymmetric,
    cayley_step,
    "Helfrich, Willmott, Ye 2018; Erichson et al. 2021",
    (INIT_SCALE, INPUT_SCALE),
    shared=_with_cayley,
    initial_state=one_state,
)
EXPM = MapCell(
    init_expm,
    expm_step,
    "Lezcano-Casado, Martínez-Rubio 2019",
    (INPUT_SCALE,),
    shared=_with_exponential,
    initial_state=one_state,
)
