"""The long expressive memory (LEM) of Rusch, Mishra, Erichson and Mahoney (ICLR 2022).

    Δt₁ = Δt σ(W₁ y + V₁ u + b₁)        Δt₂ = Δt σ(W₂ y + V₂ u + b₂)
    z⁺ = (1 - Δt₂) ∘ z + Δt₂ ∘ tanh(W_z y + V_z u + b_z)
    y⁺ = (1 - Δt₁) ∘ y + Δt₁ ∘ tanh(W_y z⁺ + V_y u + b_y)

An implicit-explicit discretisation of two ODEs whose time scales are learnt, a pair for each unit
and input. y is the hidden state, z a memory that only y sees. Δt <= 1 keeps both between -1 and 1.

Source: arXiv:2110.04744, section 2.
"""

from asrnn.dynamics.contract import STEP_SIZE, MapCell, Scalars
from asrnn.dynamics.initializers import INIT_SCALE, INPUT_SCALE, input_kernel, normal
from asrnn.dynamics.tanh_field import affine
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Key, Params


def lem_step(
    params: Params, coefficients: Scalars, carry: tuple[Array, ...], x: Array
) -> tuple[Array, ...]:
    """One step of the carry (y, z), `[B, n]` each, at x `[B, m]`.

    `recurrent_kernel` `[n, 3n]` and the first 3n columns of the others belong to Δt₁, Δt₂ and z,
    which read y; `memory_kernel` `[n, n]` and the last n columns to y, which reads z⁺.
    """
    step_size = coefficients["step_size"]
    y, z = carry
    n = y.shape[-1]
    first, second, memory, output = jnp.split(
        affine(x, params["input_kernel"], params["bias"]), 4, axis=-1
    )
    from_y = affine(y, params["recurrent_kernel"], params["recurrent_bias"][: 3 * n])
    y_first, y_second, y_memory = jnp.split(from_y, 3, axis=-1)
    step_1 = step_size * jax.nn.sigmoid(first + y_first)
    step_2 = step_size * jax.nn.sigmoid(second + y_second)
    z = (1 - step_2) * z + step_2 * jnp.tanh(memory + y_memory)
    from_z = affine(z, params["memory_kernel"], params["recurrent_bias"][3 * n :])
    return (1 - step_1) * y + step_1 * jnp.tanh(output + from_z), z


def init_lem(
    key: Key,
    input_size: int,
    hidden_size: int,
    *,
    init_scale: float = 1.0,
    input_scale: float = 1.0,
) -> Params:
    """Recurrent entries ~ N(0, σ_w²/n), input entries ~ N(0, 1/m) times `input_scale`; biases 0.

    Input and recurrent kernel each have a bias, as in the published code: 4n² + 4nm + 8n entries.
    That code draws all of them uniformly from ±1/√n, the variance of σ_w = 0.58.
    """
    key_recurrent, key_memory, key_input = jax.random.split(key, 3)
    n, variance = hidden_size, init_scale**2 / hidden_size
    return {
        "recurrent_kernel": normal(key_recurrent, (n, 3 * n), variance),
        "memory_kernel": normal(key_memory, (n, n), variance),
        "recurrent_bias": jnp.zeros(4 * n),
        "input_kernel": input_kernel(key_input, input_size, 4 * n, input_scale),
        "bias": jnp.zeros(4 * n),
    }


LEM = MapCell(
    init_lem,
    lem_step,
    "Rusch, Mishra, Erichson, Mahoney 2022",
    (STEP_SIZE, INIT_SCALE, INPUT_SCALE),
    num_states=2,
)
