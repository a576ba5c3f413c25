"""What initial parameters are drawn from."""

from asrnn.lazy import jax, jnp
from asrnn.options import FINITE, NON_NEGATIVE, Option, Use
from asrnn.typing import Array, Key, Params

INIT_SCALE = Option(
    "init_scale", 1.0, "σ_w: recurrent entries ~ N(0, σ_w²/n)", NON_NEGATIVE, Use.INITIAL
)
INPUT_SCALE = Option(
    "input_scale",
    1.0,
    "factor on the input kernels, N(0, 1/m)",
    NON_NEGATIVE,
    Use.INITIAL,
)
GATE_BIAS = Option("gate_bias", 0.0, "initial b_z, the bias of the gate", FINITE, Use.INITIAL)
FORGET_BIAS = Option("forget_bias", 1.0, "initial bias of the forget gate", FINITE, Use.INITIAL)


def normal(key: Key, shape: tuple[int, ...], variance: float) -> Array:
    """Normal entries with mean 0 and the given *variance*, as the paper writes N(0, v)."""
    return jnp.sqrt(variance) * jax.random.normal(key, shape)


def input_kernel(key: Key, input_size: int, size: int, input_scale: float) -> Array:
    """Vᵀ `[m, size]` ~ N(0, 1/m) as a variance, times `input_scale`."""
    return input_scale * normal(key, (input_size, size), 1 / input_size)


def gate_parameters(
    key: Key, input_size: int, size: int, input_scale: float, gate_bias: float
) -> Params:
    """V_zᵀ `[m, size]`, drawn as V is, and b_z `[size]` = `gate_bias`."""
    return {
        "gate_input_kernel": input_kernel(key, input_size, size, input_scale),
        "gate_bias": jnp.full(size, gate_bias, float),
    }
