"""Schemes that treat A h exactly or implicitly in f(h, x) = A h + g(h, x).

    exponential_euler:  h⁺ = e^{εA} h + ε φ₁(εA) g(h)
    etd2rk:             a = e^{εA} h + ε φ₁(εA) g(h),   h⁺ = a + ε φ₂(εA) (g(a) - g(h))
    cayley:             (I - εA/2) h⁺ = (I + εA/2) h + ε g(h)
    strang:             h⁺ = e^{εA/2} N(e^{εA/2} h),   N a step of the midpoint rule on h' = g(h)

    φ₁(z) = (e^z - 1)/z,   φ₂(z) = (e^z - 1 - z)/z²

If A is antisymmetric, e^{εA} and the Cayley transform are orthogonal: the linear part neither grows
nor decays, whatever ε. Matrix functions are computed once per sequence, and are differentiable.

Source: Cox, Matthews, Exponential Time Differencing for Stiff Systems (2002); Strang, On the
Construction and Comparison of Difference Schemes (1968).
"""

from typing import Protocol

from asrnn.dynamics.contract import Scheme
from asrnn.lazy import jnp, linalg
from asrnn.typing import Array, Step


class SemilinearField(Protocol):
    """A field in two parts."""

    def linear_part(self) -> Array:
        """A `[n, n]`, acting on columns."""

    def remainder(self, h: Array, x: Array) -> Array:
        """g(h, x) `[B, n]`."""


def phi_functions(matrix: Array, count: int) -> list[Array]:
    """e^M, φ₁(M), ..., φ_count(M) `[n, n]` of M `[n, n]`, from one exponential.

    They are the first row of blocks of the exponential of M with identities above the diagonal,
    [[M, I, 0], [0, 0, I], [0, 0, 0]] for two (Al-Mohy, Higham 2011, theorem 2.1).
    """
    n = matrix.shape[0]
    augmented = jnp.eye((count + 1) * n, k=n, dtype=matrix.dtype)
    augmented = augmented.at[:n, :n].set(matrix)
    top = linalg.expm(augmented)[:n]
    return [top[:, k * n : (k + 1) * n] for k in range(count + 1)]


def exponential_euler(field: SemilinearField, step_size: Array | float) -> Step:
    """The step of first order."""
    exponential, phi1 = phi_functions(step_size * field.linear_part(), 1)

    def step(h: Array, x: Array) -> Array:
        after: Array = h @ exponential.T + step_size * field.remainder(h, x) @ phi1.T
        return after

    return step


def etd2rk(field: SemilinearField, step_size: Array | float) -> Step:
    """The step of second order, with a slope at the end of the first-order step."""
    exponential, phi1, phi2 = phi_functions(step_size * field.linear_part(), 2)

    def step(h: Array, x: Array) -> Array:
        slope = field.remainder(h, x)
        a = h @ exponential.T + step_size * slope @ phi1.T
        after: Array = a + step_size * (field.remainder(a, x) - slope) @ phi2.T
        return after

    return step


def cayley(field: SemilinearField, step_size: Array | float) -> Step:
    """The step with the linear part by the trapezoidal rule and g explicit."""
    half = step_size / 2 * field.linear_part()
    identity = jnp.eye(half.shape[0], dtype=half.dtype)
    inverse = jnp.linalg.inv(identity - half)
    transform = inverse @ (identity + half)

    def step(h: Array, x: Array) -> Array:
        after: Array = h @ transform.T + step_size * field.remainder(h, x) @ inverse.T
        return after

    return step


def strang(field: SemilinearField, step_size: Array | float) -> Step:
    """The step of two half flows of A around one of g."""
    half_flow = linalg.expm(step_size / 2 * field.linear_part())

    def step(h: Array, x: Array) -> Array:
        h = h @ half_flow.T
        middle = h + step_size / 2 * field.remainder(h, x)
        after: Array = (h + step_size * field.remainder(middle, x)) @ half_flow.T
        return after

    return step


EXPONENTIAL_EULER = Scheme(
    exponential_euler, order=1, source="Cox, Matthews 2002, eq. 4", needs="linear"
)
ETD2RK = Scheme(etd2rk, order=2, source="Cox, Matthews 2002, eq. 22", needs="linear", stages=2)
CAYLEY = Scheme(
    cayley,
    order=1,
    source="the trapezoidal rule for A h, Euler for g: Ascher, Ruuth, Wetton 1995",
    needs="linear",
)
STRANG = Scheme(strang, order=2, source="Strang 1968", needs="linear", stages=2)
