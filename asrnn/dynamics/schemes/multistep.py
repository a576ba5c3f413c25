"""Methods of two steps: one evaluation of the field for order 2.

    ab2:        h⁺ = h + ε (3/2 f(h, x) - 1/2 f⁻)     f⁻ the slope of the step before
    leapfrog2:  h⁺ = h⁻ + 2 ε f(h, x)                 h⁻ the state before h

Their first step is one of Euler, which costs no order. On the imaginary axis ab2 grows weakly,
like 1 + (εω)⁴/4, and leapfrog2 is neutral for εω < 1; where there is damping, its parasitic mode
(-1)ᵗ grows instead, so it is for fields without.

Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, III.1; Butcher,
Numerical Methods for Ordinary Differential Equations (2016), section 24.
"""

from asrnn.dynamics.contract import Scheme
from asrnn.lazy import jax, jnp
from asrnn.typing import Array, Carry, State, Step, VectorField


def adams_bashforth(field: VectorField, step_size: Array | float) -> Step:
    """The step of a carry (h, slope of the step before, number of steps)."""

    def step(carry: Carry, x: Array) -> Carry:
        h, before, age = carry
        slope = field(h, x)

        def moved(h: Array, now: Array, before: Array) -> Array:
            extrapolated = jnp.where(age == 0, now, 1.5 * now - 0.5 * before)
            return h + step_size * extrapolated

        return jax.tree.map(moved, h, slope, before), slope, age + 1

    return step


def leapfrog_of_two_steps(field: VectorField, step_size: Array | float) -> Step:
    """The step of a carry (h, state before h, number of steps)."""

    def step(carry: Carry, x: Array) -> Carry:
        h, before, age = carry

        def moved(h: Array, before: Array, slope: Array) -> Array:
            return jnp.where(age == 0, h + step_size * slope, before + 2 * step_size * slope)

        return jax.tree.map(moved, h, before, field(h, x)), h, age + 1

    return step


def _start(state: State) -> Carry:
    """Nothing is remembered yet, after no steps."""
    return state, jax.tree.map(jnp.zeros_like, state), jnp.zeros((), jnp.int32)


AB2 = Scheme(
    adams_bashforth,
    order=2,
    source="Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, III.1",
    memory=1,
    start=_start,
    state=lambda carry: carry[0],
)
LEAPFROG2 = Scheme(
    leapfrog_of_two_steps,
    order=2,
    source="the explicit midpoint rule of two steps: Hairer, Nørsett, Wanner I, III.1",
    memory=1,
    start=_start,
    state=lambda carry: carry[0],
)
