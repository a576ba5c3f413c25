"""Memory that does not grow with the length: a backward pass that takes the states back.

Where a step can be undone, s_{t-1} = Φ⁻¹(s_t, x_t), the forward pass keeps its last state alone,
and the backward pass walks back from it. With g_t the gradient of the loss in s_t and Φ the step,

    s_{t-1} = Φ⁻¹(s_t, x_t),    (g_{t-1}, ∂θ_t, ∂x_t) = (∂Φ/∂(s, θ, x))ᵀ g_t  at  s_{t-1}

Each step back rounds once more, and an error made at t grows as the inverse of the network does:
not at all where the dynamics are neutral, exponentially where they contract.

Source: Gomez, Ren, Urtasun, Grosse, The Reversible Residual Network (2017); Chang, Meng, Haber,
Ruthotto, Begert, Holtham, Reversible Architectures for Arbitrarily Deep Residual Networks (2018).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from asrnn.dynamics import CELLS, SCHEMES, Cell, Ode, OdeCell, Scalars
from asrnn.errors import ConfigError
from asrnn.recurrence.precision import jax_precision, multiplying
from asrnn.typing import Array, State


class Operands(NamedTuple):
    """All that a sequence is computed from."""

    field: Any
    step_size: Array
    inputs: Array
    initial_state: State


def check_reversible(cell: Cell, coefficients: Scalars) -> Array:
    """Checks that the steps of a cell can be undone.

    Args:
      cell: the cell.
      coefficients: its run-time scalars.

    Returns:
      1, or NaN where a traced scalar turns out not to be 0: a factor for the gradient, which
      would be a wrong one.

    Raises:
      ConfigError: for a cell, scheme or scalar with which they cannot.
    """
    if not isinstance(cell, OdeCell) or cell.scheme.inverse is None or cell.ode.separable is None:
        cells = [name for name, it in CELLS.items() if isinstance(it, Ode) and it.separable == ()]
        others = [name for name, it in CELLS.items() if isinstance(it, Ode) and it.separable]
        schemes = [name for name, it in SCHEMES.items() if it.inverse is not None]
        raise ConfigError(
            "recurrence.remat=reverse needs steps that can be undone exactly: a cell of"
            f" {', '.join((*cells, *others))} under {' or '.join(schemes)}; use remat=segments"
        )
    if not cell.plain:
        raise ConfigError(
            "recurrence.remat=reverse takes back one step for each input: leave model.substeps at 1"
        )
    exact: Array = jnp.ones(())
    for name in cell.ode.separable:
        value = coefficients[name]
        if not isinstance(value, jax.core.Tracer) and value != 0:
            raise ConfigError(
                f"recurrence.remat=reverse needs model.{name}=0, found {float(value)}: with it a"
                " step cannot be undone; use remat=segments"
            )
        exact = jnp.where(jnp.asarray(value) == 0, exact, jnp.nan)
    return exact


def reversible(
    cell: OdeCell,
    field: Any,
    step_size: Array,
    inputs: Array,
    initial_state: State,
    exact: Array,
    *,
    unroll: int = 1,
    return_states: bool = False,
) -> tuple[State, Array | None]:
    """Steps a field under a scheme that has an inverse.

    Args:
      cell: the cell, which `check_reversible` has passed.
      field: its field, a pytree of arrays, at some parameters.
      step_size: ε.
      inputs: `[T, B, m]`.
      initial_state: the state before the first step.
      exact: what `check_reversible` returned.
      unroll: steps per loop iteration.
      return_states: whether to return all hidden states.

    Returns:
      The last state, and the hidden states `[T, B, n]` or None. Differentiable (reverse mode) in
      all array arguments.
    """
    dtype = inputs.dtype
    field = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), field)
    operands = Operands(field, step_size, inputs, initial_state)
    static = cell, unroll, return_states, jax_precision()
    return _sequence(*static, operands, exact.astype(dtype))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2, 3))
def _sequence(
    cell: OdeCell,
    unroll: int,
    return_states: bool,
    precision: str | None,
    operands: Operands,
    exact: Array,
) -> tuple[State, Array | None]:
    del precision, exact
    step = cell.scheme.step(operands.field, operands.step_size)

    def body(state: State, x: Array) -> tuple[State, Array | None]:
        state = step(state, x)
        return state, cell.hidden(state) if return_states else None

    return lax.scan(body, operands.initial_state, operands.inputs, unroll=unroll)


def _forward(
    cell: OdeCell,
    unroll: int,
    return_states: bool,
    precision: str | None,
    operands: Operands,
    exact: Array,
) -> tuple[tuple[State, Array | None], tuple[Operands, State, Array]]:
    last, states = _sequence(cell, unroll, return_states, precision, operands, exact)
    return (last, states), (operands, last, exact)


def _backward(
    cell: OdeCell,
    unroll: int,
    return_states: bool,
    precision: str | None,
    saved: tuple[Operands, State, Array],
    cotangents: tuple[State, Array | None],
) -> tuple[Operands, Array]:
    del return_states
    with multiplying(precision):
        return _gradients(cell, unroll, saved, cotangents)


def _gradients(
    cell: OdeCell,
    unroll: int,
    saved: tuple[Operands, State, Array],
    cotangents: tuple[State, Array | None],
) -> tuple[Operands, Array]:
    operands, last, exact = saved
    field, step_size = operands.field, operands.step_size
    assert cell.scheme.inverse is not None
    back = cell.scheme.inverse(field, step_size)

    def step(field: Any, step_size: Array, state: State, x: Array) -> State:
        return cell.scheme.step(field, step_size)(state, x)

    def body(carry: Any, now: Any) -> Any:
        state, g, sums = carry
        x, hidden_cotangent = now
        if hidden_cotangent is not None:
            (own,) = jax.vjp(cell.hidden, state)[1](hidden_cotangent)
            g = jax.tree.map(jnp.add, g, own)
        before = back(state, x)
        *gradients, g, dx = jax.vjp(step, field, step_size, before, x)[1](g)
        return (before, g, jax.tree.map(jnp.add, sums, gradients)), dx

    zeros = jax.tree.map(jnp.zeros_like, [field, step_size])
    (_, g, sums), dx = lax.scan(
        body,
        (last, cotangents[0], zeros),
        (operands.inputs, cotangents[1]),
        reverse=True,
        unroll=unroll,
    )
    gradients = jax.tree.map(lambda part: exact * part, Operands(sums[0], sums[1], dx, g))
    return gradients, jnp.zeros_like(exact)


_sequence.defvjp(_forward, _backward)
