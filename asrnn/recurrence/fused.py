"""The recurrence with a hand-written backward pass, in pure JAX, on every platform.

For h_t = h_{t-1} + ε z_t ∘ c_t, c_t = tanh(u_t), z_t = σ(v_t) or 1, with u_t = A h_{t-1} +
V x_t + b and v_t = A h_{t-1} + V_z x_t + b_z, and g_t the gradient of the loss in h_t:

    δ_t = ε z_t (1 - c_t²) ∘ g_t          gradient in u_t
    η_t = ε c_t z_t (1 - z_t) ∘ g_t       gradient in v_t
    g_{t-1} = g_t + Aᵀ (δ_t + η_t)
    ∂A = Σ (δ_t + η_t) h_{t-1}ᵀ,  ∂V = Σ δ_t x_tᵀ,  ∂b = Σ δ_t,  ∂ε = Σ ⟨g_t, z_t ∘ c_t⟩

The forward pass keeps h_{t-1}, c_t and z_t, so no matrix product is computed twice. Autodiff
of a scan would keep more and read it more often. What is fastest depends on the platform: a
CPU wants a working set that stays in its cache, so the batch is cut into chunks and ∂A is
summed within the loop; an accelerator wants one large product after it.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from asrnn.dynamics import TanhField
from asrnn.typing import Array

CPU_CHUNK = 32  # batch rows whose states of a few steps stay in a core's cache


class Operands(NamedTuple):
    """All that a sequence is computed from."""

    field: TanhField
    step_size: Array
    inputs: Array
    initial_state: Array


class Residual(NamedTuple):
    """What one step keeps for the backward pass: h_{t-1}, c_t, z_t, each `[B, n]`."""

    state: Array
    candidate: Array
    gate: Array | None


def fused(
    recurrent_matrix: Array,
    input_kernel: Array,
    bias: Array,
    gate_input_kernel: Array | None,
    gate_bias: Array | None,
    step_size: Array | float,
    inputs: Array,
    initial_state: Array,
    *,
    return_states: bool,
) -> tuple[Array, Array | None]:
    """Steps a `TanhField`, given by its five arrays, by Euler's method.

    Args:
      recurrent_matrix: A, `[n, n]`.
      input_kernel: Vᵀ, `[m, n]`.
      bias: b, `[n]`.
      gate_input_kernel: V_zᵀ, `[m, n]`, or None for a field without a gate.
      gate_bias: b_z, `[n]`, or None.
      step_size: ε.
      inputs: `[T, B, m]`.
      initial_state: `[B, n]`.
      return_states: whether to return all hidden states.

    Returns:
      The last state `[B, n]`, and the states `[T, B, n]` or None. Differentiable in all
      array arguments.
    """
    field = TanhField(recurrent_matrix, input_kernel, bias, gate_input_kernel, gate_bias)
    step_size = jnp.asarray(step_size, inputs.dtype)
    length, batch, m = inputs.shape
    chunks = _chunks(batch)
    if chunks == 1:
        return _sequence(return_states, Operands(field, step_size, inputs, initial_state))
    n = initial_state.shape[1]
    last, states = lax.map(
        lambda chunk: _sequence(return_states, Operands(field, step_size, *chunk)),
        (
            inputs.reshape(length, chunks, batch // chunks, m).swapaxes(0, 1),
            initial_state.reshape(chunks, batch // chunks, n),
        ),
    )
    if states is not None:
        states = states.swapaxes(0, 1).reshape(length, batch, n)
    return last.reshape(batch, n), states


def _chunks(batch: int) -> int:
    """Into how many equal chunks to cut a batch: as few as make them fit the cache."""
    if jax.default_backend() != "cpu":
        return 1
    fitting = (k for k in range(1, batch + 1) if batch % k == 0)
    return next((k for k in fitting if CPU_CHUNK // 4 <= batch // k <= CPU_CHUNK), 1)


def _step(operands: Operands, h: Array, x: Array) -> tuple[Array, Residual]:
    candidate, gate = operands.field.candidate_and_gate(h, x)
    growth = candidate if gate is None else gate * candidate
    return h + operands.step_size * growth, Residual(h, candidate, gate)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sequence(return_states: bool, operands: Operands) -> tuple[Array, Array | None]:
    def body(h: Array, x: Array) -> tuple[Array, Array | None]:
        h, _ = _step(operands, h, x)
        return h, h if return_states else None

    return lax.scan(body, operands.initial_state, operands.inputs)


def _forward(
    return_states: bool, operands: Operands
) -> tuple[tuple[Array, Array | None], tuple[Operands, Residual]]:
    def body(h: Array, x: Array) -> tuple[Array, Residual]:
        return _step(operands, h, x)

    last, residuals = lax.scan(body, operands.initial_state, operands.inputs)
    states = None
    if return_states:
        states = lax.concatenate([residuals.state[1:], last[None]], 0)
    return (last, states), (operands, residuals)


def _backward(
    return_states: bool,
    saved: tuple[Operands, Residual],
    cotangents: tuple[Array, Array | None],
) -> tuple[Operands]:
    operands, residuals = saved
    in_loop = jax.default_backend() == "cpu"

    def body(carry: Any, now: Any) -> Any:
        g, sums, step_size_sum = carry
        residual, x, state_cotangent = now
        if return_states:
            g = g + state_cotangent
        delta, eta, growth = _local_gradients(residual, operands.step_size, g)
        total = delta if eta is None else delta + eta
        step_size_sum = step_size_sum + growth
        if in_loop:
            step = _field_gradient(residual.state, x, delta, eta)
            sums = jax.tree.map(jnp.add, sums, step)
        g = g + total @ operands.field.recurrent_matrix
        dx = _input_gradient(operands.field, delta, eta)
        return (g, sums, step_size_sum), (dx, None if in_loop else (delta, eta))

    zeros = jax.tree.map(jnp.zeros_like, operands.field) if in_loop else None
    (g, sums, step_size_sum), (dx, deltas) = lax.scan(
        body,
        (cotangents[0], zeros, jnp.zeros_like(operands.step_size)),
        (residuals, operands.inputs, cotangents[1]),
        reverse=True,
    )
    if not in_loop:
        sums = _field_gradient(residuals.state, operands.inputs, *deltas)
    assert sums is not None
    return (Operands(sums, step_size_sum, dx, g),)


_sequence.defvjp(_forward, _backward)


def _local_gradients(
    residual: Residual, step_size: Array, g: Array
) -> tuple[Array, Array | None, Array]:
    """δ, η (None without a gate) and ⟨g, z ∘ c⟩ of one step."""
    c, z = residual.candidate, residual.gate
    scaled = step_size * g
    if z is None:
        return scaled * (1 - c * c), None, (g * c).sum()
    return scaled * z * (1 - c * c), scaled * c * z * (1 - z), (g * z * c).sum()


def _field_gradient(state: Array, x: Array, delta: Array, eta: Array | None) -> TanhField:
    """The gradient in A, V, b, V_z, b_z, summed over all axes but the last."""
    if eta is None:
        return TanhField(_outer(delta, state), _outer(x, delta), _sum(delta))
    return TanhField(
        _outer(delta + eta, state), _outer(x, delta), _sum(delta), _outer(x, eta), _sum(eta)
    )


def _input_gradient(field: TanhField, delta: Array, eta: Array | None) -> Array:
    """V δ + V_z η; computed only where the caller differentiates in the inputs."""
    gradient = delta @ field.input_kernel.T
    if eta is None or field.gate_input_kernel is None:
        return gradient
    return gradient + eta @ field.gate_input_kernel.T


def _outer(left: Array, right: Array) -> Array:
    """Σ over all axes but the last of left ⊗ right: one matrix product."""
    axes = tuple(range(left.ndim - 1))
    return lax.dot_general(left, right, ((axes, axes), ((), ())))


def _sum(array: Array) -> Array:
    return array.sum(tuple(range(array.ndim - 1)))
