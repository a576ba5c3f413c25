"""The cells that the paper compares with: its ablation, a tanh RNN, LSTM and GRU."""

import jax
import jax.numpy as jnp

from asrnn.dynamics.antisymmetric import normal
from asrnn.dynamics.field import TanhField, affine
from asrnn.typing import Array, Key, Params


def ablation_field(params: Params, diffusion: Array | float) -> TanhField:
    """Eq. 13 with an unstructured W in the place of W - Wᵀ (paper, section 5.2).

    Gate and candidate still share the matrix: the printed 42k parameters are reached
    only that way. Whether the paper keeps the term -γI is not stated; here it is kept,
    and γ = 0 leaves it out.
    """
    n = params["bias"].shape[0]
    return TanhField(
        params["recurrent_kernel"] - diffusion * jnp.eye(n, dtype=params["bias"].dtype),
        params["input_kernel"],
        params["bias"],
        params["gate_input_kernel"],
        params["gate_bias"],
    )


def init_ablation(key: Key, input_size: int, hidden_size: int, *, init_scale: float) -> Params:
    """W ~ N(0, σ_w²/n) with n² free entries; V, V_z ~ N(0, 1/m); biases 0."""
    key_recurrent, key_input, key_gate = jax.random.split(key, 3)
    n, m = hidden_size, input_size
    return {
        "recurrent_kernel": normal(key_recurrent, (n, n), init_scale**2 / n),
        "input_kernel": normal(key_input, (m, n), 1 / m),
        "bias": jnp.zeros(n),
        "gate_input_kernel": normal(key_gate, (m, n), 1 / m),
        "gate_bias": jnp.zeros(n),
    }


def vanilla_step(params: Params, carry: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
    """h_t = tanh(h_{t-1} U + x_t V + b), rows as states (Elman 1990)."""
    (h,) = carry
    projected = affine(x, params["input_kernel"], params["bias"])
    return (jnp.tanh(h @ params["recurrent_kernel"] + projected),)


def lstm_step(params: Params, carry: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
    """c_t = f ∘ c_{t-1} + i ∘ g, h_t = o ∘ tanh(c_t) (Hochreiter and Schmidhuber 1997).

    The kernels hold the gates i, f, g, o side by side; carry = (h, c).
    """
    h, c = carry
    projected = affine(x, params["input_kernel"], params["bias"])
    i, f, g, o = jnp.split(h @ params["recurrent_kernel"] + projected, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_step(params: Params, carry: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
    """h_t = (1 - z) ∘ g + z ∘ h_{t-1}, g = tanh(x V + b + r ∘ (h_{t-1} U + c)) (Cho 2014).

    The reset gate multiplies after the matrix product, as in cuDNN and Flax, so the
    candidate has a recurrent bias c. The kernels hold the gates r, z, g side by side.
    """
    (h,) = carry
    r, z, g = jnp.split(affine(x, params["input_kernel"], params["bias"]), 3, axis=-1)
    recurrent_r, recurrent_z, recurrent_g = jnp.split(h @ params["recurrent_kernel"], 3, axis=-1)
    reset = jax.nn.sigmoid(r + recurrent_r)
    update = jax.nn.sigmoid(z + recurrent_z)
    candidate = jnp.tanh(g + reset * (recurrent_g + params["recurrent_bias"][None]))
    return ((1 - update) * candidate + update * h,)


def init_vanilla(key: Key, input_size: int, hidden_size: int, *, init_scale: float) -> Params:
    """Recurrent entries ~ N(0, σ_w²/n), input entries ~ N(0, 1/m), bias 0."""
    return _init_map(key, input_size, hidden_size, init_scale, gates=1)


def init_lstm(key: Key, input_size: int, hidden_size: int, *, init_scale: float) -> Params:
    """As `init_vanilla` for each of the four gates; the forget bias is 1 (paper, App. C)."""
    params = _init_map(key, input_size, hidden_size, init_scale, gates=4)
    forget = slice(hidden_size, 2 * hidden_size)
    return params | {"bias": params["bias"].at[forget].set(1.0)}


def init_gru(key: Key, input_size: int, hidden_size: int, *, init_scale: float) -> Params:
    """As `init_vanilla` for each of the three gates, and a recurrent bias of 0."""
    params = _init_map(key, input_size, hidden_size, init_scale, gates=3)
    return params | {"recurrent_bias": jnp.zeros(hidden_size)}


def _init_map(key: Key, m: int, n: int, init_scale: float, *, gates: int) -> Params:
    key_recurrent, key_input = jax.random.split(key)
    return {
        "recurrent_kernel": normal(key_recurrent, (n, gates * n), init_scale**2 / n),
        "input_kernel": normal(key_input, (m, gates * n), 1 / m),
        "bias": jnp.zeros(gates * n),
    }
