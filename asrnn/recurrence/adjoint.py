"""The recurrence with a hand-written backward pass, in pure JAX, on every platform.

For h_t = h_{t-1} + ε z_t ∘ c_t, c_t = tanh(u_t), z_t = σ(v_t) or 1, with u_t = A h_{t-1} +
V x_t + b and v_t = A h_{t-1} + V_z x_t + b_z, and g_t the gradient of the loss in h_t:

    δ_t = ε z_t (1 - c_t²) ∘ g_t          gradient in u_t
    η_t = ε c_t z_t (1 - z_t) ∘ g_t       gradient in v_t
    g_{t-1} = g_t + Aᵀ (δ_t + η_t)
    ∂A = Σ (δ_t + η_t) h_{t-1}ᵀ,  ∂V = Σ δ_t x_tᵀ,  ∂b = Σ δ_t,  ∂ε = Σ ⟨g_t, z_t ∘ c_t⟩

The forward pass keeps c_t and z_t alone, so no matrix product is computed twice. The backward
pass takes the states back, h_{t-1} = h_t - ε z_t ∘ c_t. While |h| stays between two powers of
two, this undoes the rounding of the forward step exactly; where it crosses one, half a unit in
the last place is lost. Half the memory is worth more than it seems: what XLA allocates anew
for each execution, the system has to hand out page by page.

States are columns, `[n, B]`, so that all products of the loop read their left operand along
its rows, which is what a CPU's product wants. It sums ∂A within the loop, where it stays in
the cache; an accelerator wants one large product after it.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from asrnn.dynamics import TanhField
from asrnn.recurrence.precision import jax_precision, multiplying
from asrnn.typing import Array


class Operands(NamedTuple):
    """All that a sequence is computed from; states are columns."""

    field: TanhField
    step_size: Array
    inputs: Array
    initial_state: Array


class Slopes(NamedTuple):
    """The gradients δ and η in the arguments of tanh and σ, `[n, B]`; no η without a gate."""

    candidate: Array
    gate: Array | None

    @property
    def total(self) -> Array:
        """The gradient in A h, which both arguments share."""
        return self.candidate if self.gate is None else self.candidate + self.gate


class FieldParts(NamedTuple):
    """What one step keeps for the backward pass: c_t and z_t, `[n, B]`."""

    candidate: Array
    gate: Array | None

    @property
    def value(self) -> Array:
        """z ∘ c, the value of the field."""
        return self.candidate if self.gate is None else self.gate * self.candidate

    def slopes(self, gradient: Array) -> Slopes:
        """δ and η, given the gradient in z ∘ c."""
        c, z = self
        if z is None:
            return Slopes(gradient * (1 - c * c), None)
        return Slopes(gradient * z * (1 - c * c), gradient * c * z * (1 - z))


def adjoint(
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
    step_size = jnp.asarray(step_size, initial_state.dtype)
    operands = Operands(field, step_size, inputs, initial_state.T)
    last, states = _sequence(return_states, jax_precision(), operands)
    return last.T, None if states is None else states.swapaxes(1, 2)


def _field_parts(field: TanhField, h: Array, x: Array) -> FieldParts:
    """c and z at h `[n, B]` and x `[B, m]`."""
    recurrent = field.recurrent_matrix @ h
    candidate = jnp.tanh(recurrent + _affine(field.input_kernel, x, field.bias))
    if field.gate_input_kernel is None or field.gate_bias is None:
        return FieldParts(candidate, None)
    gate = jax.nn.sigmoid(recurrent + _affine(field.gate_input_kernel, x, field.gate_bias))
    return FieldParts(candidate, gate)


def _affine(kernel: Array, x: Array, bias: Array) -> Array:
    """V x + b as columns, `[n, B]`."""
    return lax.dot_general(kernel.T, x, (((1,), (1,)), ((), ()))) + bias[:, None]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sequence(
    return_states: bool, precision: str | None, operands: Operands
) -> tuple[Array, Array | None]:
    results, _ = _forward(return_states, precision, operands, keep=False)
    return results


def _forward(
    return_states: bool, precision: str | None, operands: Operands, *, keep: bool = True
) -> tuple[tuple[Array, Array | None], tuple[Operands, Array, FieldParts | None]]:
    del precision  # that of the trace, for the backward pass

    def body(h: Array, x: Array) -> tuple[Array, tuple[Array | None, FieldParts | None]]:
        parts = _field_parts(operands.field, h, x)
        h = h + operands.step_size * parts.value
        return h, (h if return_states else None, parts if keep else None)

    last, (states, all_parts) = lax.scan(body, operands.initial_state, operands.inputs)
    return (last, states), (operands, last, all_parts)


def _backward(
    return_states: bool,
    precision: str | None,
    saved: tuple[Operands, Array, FieldParts],
    cotangents: tuple[Array, Array | None],
) -> tuple[Operands]:
    del return_states
    with multiplying(precision):
        return (_gradients(saved, cotangents),)


def _gradients(
    saved: tuple[Operands, Array, FieldParts], cotangents: tuple[Array, Array | None]
) -> Operands:
    operands, last, all_parts = saved
    field, step_size = operands.field, operands.step_size
    transposed = field.recurrent_matrix.T
    in_loop = jax.default_backend() == "cpu"

    def body(carry: Any, now: Any) -> Any:
        h, g, sums, step_size_sum = carry
        parts, x, state_cotangent = now
        h = h - step_size * parts.value
        if state_cotangent is not None:
            g = g + state_cotangent
        slopes = parts.slopes(step_size * g)
        step_size_sum = step_size_sum + (g * parts.value).sum()
        if in_loop:
            sums = jax.tree.map(jnp.add, sums, _field_gradient(slopes, h, x))
        g = g + transposed @ slopes.total
        dx = _input_gradient(field, slopes)
        return (h, g, sums, step_size_sum), (dx, None if in_loop else (slopes, h))

    zeros = jax.tree.map(jnp.zeros_like, field) if in_loop else None
    start: Any = (last, cotangents[0], zeros, jnp.zeros_like(step_size))
    (_, g, sums, step_size_sum), (dx, factors) = lax.scan(
        body, start, (all_parts, operands.inputs, cotangents[1]), reverse=True
    )
    if not in_loop:
        slopes, states = factors
        sums = _field_gradient(slopes, states, operands.inputs)
    return Operands(sums, step_size_sum, dx, g)


_sequence.defvjp(_forward, _backward)


def _field_gradient(slopes: Slopes, h: Array, x: Array) -> TanhField:
    """The gradient in A, V, b, V_z, b_z: of one step, or summed over a leading axis of steps."""
    delta, eta = slopes
    gradient = TanhField(_sum_of_products(slopes.total, h.mT), *_affine_gradient(delta, x))
    if eta is None:
        return gradient
    kernel, bias = _affine_gradient(eta, x)
    return gradient._replace(gate_input_kernel=kernel, gate_bias=bias)


def _affine_gradient(slope: Array, x: Array) -> tuple[Array, Array]:
    """The gradient of `_affine` in its kernel `[m, n]` and its bias `[n]`."""
    ones = jnp.ones((*x.shape[:-1], 1), x.dtype)  # a sum along rows is slow, a product is not
    return _sum_of_products(slope, x).T, _sum_of_products(slope, ones)[:, 0]


def _sum_of_products(left: Array, right: Array) -> Array:
    """Σ left @ right over a leading axis of steps, if there is one, as one product."""
    steps = tuple(range(left.ndim - 2))
    axes = ((*steps, left.ndim - 1), (*steps, right.ndim - 2))
    return lax.dot_general(left, right, (axes, ((), ())))


def _input_gradient(field: TanhField, slopes: Slopes) -> Array:
    """V δ + V_z η, `[B, m]`; computed only where the caller differentiates in the inputs."""
    gradient = (field.input_kernel @ slopes.candidate).T
    if slopes.gate is None or field.gate_input_kernel is None:
        return gradient
    return gradient + (field.gate_input_kernel @ slopes.gate).T
