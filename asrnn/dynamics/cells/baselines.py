"""The cells that a structured W is compared with: free W, a tanh RNN, LSTM and GRU."""

from asrnn.dynamics.contract import DIFFUSION, STEP_SIZE, MapCell, Ode, Scalars
from asrnn.dynamics.initializers import (
    FORGET_BIAS,
    GATE_BIAS,
    INIT_SCALE,
    INPUT_SCALE,
    gate_parameters,
    input_kernel,
    normal,
)
from asrnn.dynamics.tanh_field import TanhField, affine
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Key, Params


def ablation_field(params: Params, coefficients: Scalars) -> TanhField:
    """Eq. 13 with an unstructured W instead of W - Wᵀ (paper, section 5.2).

    Gate and candidate still share the matrix: the printed 42k parameters are reached
    only that way. Whether the paper keeps the term -γI is not stated; here it is kept,
    and γ = 0 leaves it out.
    """
    identity = jnp.eye(params["bias"].shape[0], dtype=params["bias"].dtype)
    return TanhField(
        params["recurrent_kernel"] - coefficients["diffusion"] * identity,
        params["input_kernel"],
        params["bias"],
        params["gate_input_kernel"],
        params["gate_bias"],
    )


def residual_field(params: Params, coefficients: Scalars) -> TanhField:
    """f(h, x) = tanh(W h + V x + b), W free: a residual network along time.

    Eq. 12 without its structure and without its diffusion: the ungated ablation. Nothing keeps
    the real parts of the eigenvalues of W from growing.
    """
    del coefficients
    return TanhField(params["recurrent_kernel"], params["input_kernel"], params["bias"])


def init_ablation(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
    gate_bias: float = 0.0,
) -> Params:
    """W ~ N(0, σ_w²/n) with n² free entries; V, V_z ~ N(0, 1/m) times `input_scale`; b = 0."""
    key_recurrent, key_input, key_gate = jax.random.split(key, 3)
    n, m = hidden_size, input_size
    return {
        "recurrent_kernel": normal(key_recurrent, (n, n), init_scale**2 / n),
        "input_kernel": input_kernel(key_input, m, n, input_scale),
        "bias": jnp.zeros(n),
    } | gate_parameters(key_gate, m, n, input_scale, gate_bias)


def vanilla_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """h_t = tanh(h_{t-1} U + x_t V + b), rows as states (Elman 1990)."""
    del coefficients
    (h,) = carry
    projected = affine(x, params["input_kernel"], params["bias"])
    return (jnp.tanh(h @ params["recurrent_kernel"] + projected),)


def lstm_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """c_t = f ∘ c_{t-1} + i ∘ g, h_t = o ∘ tanh(c_t) (Hochreiter and Schmidhuber 1997).

    The kernels hold the gates i, f, g, o side by side; carry = (h, c).
    """
    del coefficients
    h, c = carry
    projected = affine(x, params["input_kernel"], params["bias"])
    i, f, g, o = jnp.split(h @ params["recurrent_kernel"] + projected, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """h_t = (1 - z) ∘ g + z ∘ h_{t-1}, g = tanh(x V + b + r ∘ (h_{t-1} U + c)) (Cho 2014).

    The reset gate multiplies after the matrix product, as in cuDNN and Flax, so the
    candidate has a recurrent bias c. The kernels hold the gates r, z, g side by side.
    """
    del coefficients
    (h,) = carry
    r, z, g = jnp.split(affine(x, params["input_kernel"], params["bias"]), 3, axis=-1)
    recurrent_r, recurrent_z, recurrent_g = jnp.split(h @ params["recurrent_kernel"], 3, axis=-1)
    reset = jax.nn.sigmoid(r + recurrent_r)
    update = jax.nn.sigmoid(z + recurrent_z)
    candidate = jnp.tanh(g + reset * (recurrent_g + params["recurrent_bias"][None]))
    return ((1 - update) * candidate + update * h,)


def init_vanilla(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """Recurrent entries ~ N(0, σ_w²/n), input entries ~ N(0, 1/m) times `input_scale`, bias 0."""
    return _init_map(key, input_size, hidden_size, init_scale, input_scale, gates=1)


def init_lstm(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
    forget_bias: float = 1.0,
) -> Params:
    """As `init_vanilla` for each of the four gates; the forget bias is 1 (paper, App. C)."""
    params = _init_map(key, input_size, hidden_size, init_scale, input_scale, gates=4)
    forget = slice(hidden_size, 2 * hidden_size)
    return params | {"bias": params["bias"].at[forget].set(forget_bias)}


def init_gru(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """As `init_vanilla` for each of the three gates, and a recurrent bias of 0."""
    params = _init_map(key, input_size, hidden_size, init_scale, input_scale, gates=3)
    return params | {"recurrent_bias": jnp.zeros(hidden_size)}


def _init_map(
    key: Key, m: int, n: int, init_scale: float, input_scale: float, *, gates: int
) -> Params:
    key_recurrent, key_input = jax.random.split(key)
    return {
        "recurrent_kernel": normal(key_recurrent, (n, gates * n), init_scale**2 / n),
        "input_kernel": input_kernel(key_input, m, gates * n, input_scale),
        "bias": jnp.zeros(gates * n),
    }


ABLATION = Ode(
    init_ablation,
    ablation_field,
    "Chang, Chen, Haber, Chi 2019, section 5.2",
    (STEP_SIZE, DIFFUSION, INIT_SCALE, INPUT_SCALE, GATE_BIAS),
    offers=frozenset({"field", "gate"}),
)
RESIDUAL = Ode(
    init_vanilla,
    residual_field,
    "Chang, Chen, Haber, Chi 2019, eq. 12 with a free W; He et al. 2016 along time",
    (STEP_SIZE, INIT_SCALE, INPUT_SCALE),
)
VANILLA = MapCell(init_vanilla, vanilla_step, "Elman 1990", (INIT_SCALE, INPUT_SCALE))
LSTM = MapCell(
    init_lstm,
    lstm_step,
    "Hochreiter, Schmidhuber 1997",
    (INIT_SCALE, INPUT_SCALE, FORGET_BIAS),
    num_states=2,
)
GRU = MapCell(init_gru, gru_step, "Cho et al. 2014", (INIT_SCALE, INPUT_SCALE))
