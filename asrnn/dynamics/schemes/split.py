"""Symplectic schemes for a state of position y and momentum z, y' = p(y, z), z' = q(y, z).

    symplectic_euler:  z⁺ = z + ε q(y, z),       y⁺ = y + ε p(y, z⁺)
    leapfrog:          z½ = z + ε/2 q(y, z),     y⁺ = y + ε p(y, z½),     z⁺ = z½ + ε/2 q(y⁺, z½)

Where p depends on z alone and q on y alone, both are symplectic, exactly invertible, and neutral on
the imaginary axis for εω <= 2; leapfrog (Störmer-Verlet) then has order 2. Where a rate depends on
its own part (damping, γ > 0) leapfrog has order 1. For an input that does not change, the two are
one method: the momenta of symplectic Euler are those of leapfrog, half a step apart.

Source: Hairer, Lubich, Wanner, Geometric Numerical Integration (2006), I.1 and VI.3.
"""

from typing import Protocol

from asrnn.dynamics.contract import Scheme
from asrnn.typing import Array, Step

Pair = tuple[Array, Array]


class SplitField(Protocol):
    """The two rates of a field, `[B, n/2]` each."""

    def position_rate(self, state: Pair, x: Array) -> Array:
        """p(y, z) at an input."""

    def momentum_rate(self, state: Pair, x: Array) -> Array:
        """q(y, z) at an input."""


def symplectic_euler(field: SplitField, step_size: Array | float) -> Step:
    """The step of a state (y, z), momentum first."""

    def step(state: Pair, x: Array) -> Pair:
        y, z = state
        z = z + step_size * field.momentum_rate((y, z), x)
        return y + step_size * field.position_rate((y, z), x), z

    return step


def symplectic_euler_back(field: SplitField, step_size: Array | float) -> Step:
    """Undoes `symplectic_euler`: y = y⁺ - ε p(z⁺), z = z⁺ - ε q(y), of a separable field."""

    def back(state: Pair, x: Array) -> Pair:
        y, z = state
        y = y - step_size * field.position_rate((y, z), x)
        return y, z - step_size * field.momentum_rate((y, z), x)

    return back


def leapfrog(field: SplitField, step_size: Array | float) -> Step:
    """The step of a state (y, z): half a kick, a drift, half a kick."""

    def step(state: Pair, x: Array) -> Pair:
        y, z = state
        z = z + step_size / 2 * field.momentum_rate((y, z), x)
        y = y + step_size * field.position_rate((y, z), x)
        return y, z + step_size / 2 * field.momentum_rate((y, z), x)

    return step


def leapfrog_back(field: SplitField, step_size: Array | float) -> Step:
    """Undoes `leapfrog` of a separable field: its three moves backwards, with -ε."""
    return leapfrog(field, -step_size)


SYMPLECTIC_EULER = Scheme(
    symplectic_euler,
    order=1,
    source="Hairer, Lubich, Wanner, Geometric Numerical Integration, I.1.2",
    needs="split",
    inverse=symplectic_euler_back,
)
LEAPFROG = Scheme(
    leapfrog,
    order=2,
    source="Hairer, Lubich, Wanner, Geometric Numerical Integration, I.1.4",
    needs="split",
    stages=2,
    inverse=leapfrog_back,
)
