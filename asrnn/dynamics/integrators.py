"""Discretisations of h' = f(h, x): a field and a step size become a step.

The input is held over the step, as in the paper. Each scheme is a function
`(f, ε) -> (h, x) -> h_next`. The outer call happens once per sequence, so a scheme that
needs a factorisation or a matrix exponential computes it there, from what its field
offers, and the cells stay as they are.

Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, chapter II.1.
"""

from collections.abc import Callable

from asrnn.typing import Array, Field, Step


def euler(field: Field, step_size: Array | float) -> Step:
    """Forward Euler, order 1 (paper, eq. 3): h + ε f(h, x)."""

    def step(h: Array, x: Array) -> Array:
        return h + step_size * field(h, x)

    return step


def midpoint(field: Field, step_size: Array | float) -> Step:
    """Explicit midpoint, order 2: h + ε f(h + ε/2 f(h, x), x)."""

    def step(h: Array, x: Array) -> Array:
        return h + step_size * field(h + 0.5 * step_size * field(h, x), x)

    return step


def rk4(field: Field, step_size: Array | float) -> Step:
    """The classical Runge-Kutta method, order 4: h + ε/6 (k₁ + 2k₂ + 2k₃ + k₄)."""

    def step(h: Array, x: Array) -> Array:
        k1 = field(h, x)
        k2 = field(h + 0.5 * step_size * k1, x)
        k3 = field(h + 0.5 * step_size * k2, x)
        k4 = field(h + step_size * k3, x)
        return h + step_size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return step


INTEGRATORS: dict[str, Callable[[Field, Array | float], Step]] = {
    "euler": euler,
    "midpoint": midpoint,
    "rk4": rk4,
}
