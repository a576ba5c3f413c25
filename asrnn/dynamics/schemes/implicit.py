"""Implicit one-step methods, solved by Newton's method or fixed-point iteration.

    backward_euler:     h⁺ = h + ε f(h⁺, x)
    implicit_midpoint:  h⁺ = h + ε f((h + h⁺)/2, x)
    trapezoid:          h⁺ = h + ε/2 (f(h, x) + f(h⁺, x))

Each is one equation k = c + a f(k, x) with a known c. The fixed-point iteration converges if
a ‖∂f/∂h‖ < 1; Newton's method also beyond, at the price of a Jacobian and a solution `[N, N]` for
each example and iteration. The gradient is that of the exact solution, by the implicit function
theorem, with one linear equation of the same kind: it does not remember the iterations.

On the imaginary axis implicit midpoint and the trapezoidal rule are neutral for any εω, and
implicit midpoint conserves quadratic invariants; backward Euler damps.

Source: Hairer, Wanner, Solving Ordinary Differential Equations II, IV.3 and IV.8; Hairer, Lubich,
Wanner, Geometric Numerical Integration (2006), II.1 and IV.2.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from asrnn.dynamics.contract import Scheme
from asrnn.lazy import jax, jnp, lax
from asrnn.options import COUNT, POSITIVE, Option, one_of
from asrnn.typing import Array, Carry, State, Step, VectorField

SOLVER = Option(
    "solver",
    "fixed_point",
    "of an implicit scheme's equations: fixed_point, or newton (large ε)",
    one_of("fixed_point", "newton"),
)
TOLERANCE = Option(
    "tolerance", 1e-5, "largest residual of an implicit scheme's equations", POSITIVE
)
MAX_ITERATIONS = Option(
    "max_iterations", 50, "of the solver of an implicit scheme, per step", COUNT
)

Linear = Callable[[Array], Array]
"""A linear map of states `[..., N]` that treats each example by itself."""


def backward_euler(field: VectorField, step_size: Array | float, **solver: Any) -> Step:
    """The step of a carry (h, number of steps that were not solved)."""

    def step(carry: Carry, x: Array) -> Carry:
        h, failures = carry
        solution, failed = _solve(field, x, h, step_size, **solver)
        return solution, failures + failed

    return step


def implicit_midpoint(field: VectorField, step_size: Array | float, **solver: Any) -> Step:
    """As `backward_euler`; the equation is that of the midpoint."""

    def step(carry: Carry, x: Array) -> Carry:
        h, failures = carry
        middle, failed = _solve(field, x, h, step_size / 2, **solver)
        return jax.tree.map(lambda k, h: 2 * k - h, middle, h), failures + failed

    return step


def trapezoid(field: VectorField, step_size: Array | float, **solver: Any) -> Step:
    """As `backward_euler`, from where half a step of Euler ends."""

    def step(carry: Carry, x: Array) -> Carry:
        h, failures = carry
        known = jax.tree.map(lambda h, slope: h + step_size / 2 * slope, h, field(h, x))
        solution, failed = _solve(field, x, known, step_size / 2, **solver)
        return solution, failures + failed

    return step


def _solve(
    field: VectorField,
    x: Array,
    known: State,
    factor: Array | float,
    *,
    solver: str,
    tolerance: float,
    max_iterations: int,
) -> tuple[State, Array]:
    """k with k = c + a f(k, x), and whether the residual stayed above the tolerance, 0 or 1.

    Args:
      field: f.
      x: the input.
      known: c, also the first guess.
      factor: a.
      solver: "fixed_point" or "newton".
      tolerance: for the largest entry of the residual.
      max_iterations: at most so many.
    """
    flat, unravel = _ravel(known)
    linear = _dense if solver == "newton" else partial(_richardson, tolerance, max_iterations)

    def residual(k: Array) -> Array:
        slope, _ = _ravel(field(unravel(k), x))
        rest: Array = k - flat - factor * slope
        return rest

    def correction(residual: Callable[[Array], Array], k: Array, found: Array) -> Array:
        if solver == "fixed_point":
            return found
        _, push = jax.linearize(residual, k)
        return _dense(push, found)

    def root(residual: Callable[[Array], Array], guess: Array) -> tuple[Array, Array]:
        def unsolved(state: tuple[Array, Array, Array]) -> Array:
            _, found, iterations = state
            # A residual that is not finite ends the iteration too, as a failure.
            return (jnp.max(jnp.abs(found)) > tolerance) & (iterations < max_iterations)

        def iterate(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            k, found, iterations = state
            k = k - correction(residual, k, found)
            return k, residual(k), iterations + 1

        start = guess, residual(guess), jnp.zeros((), jnp.int32)
        k, found, _ = lax.while_loop(unsolved, iterate, start)
        return k, jnp.max(jnp.abs(found))

    def tangent(push: Linear, right: Array) -> Array:
        solved: Array = lax.custom_linear_solve(push, right, linear, transpose_solve=linear)
        return solved

    solution, left = lax.custom_root(residual, flat, root, tangent, has_aux=True)
    return unravel(solution), jnp.where(left <= tolerance, 0, 1)


def _richardson(tolerance: float, max_iterations: int, matrix: Linear, right: Array) -> Array:
    """v with M v = r, for M near the identity: v ← v + (r - M v)."""
    small = tolerance * jnp.max(jnp.abs(right))

    def unsolved(state: tuple[Array, Array, Array]) -> Array:
        _, rest, iterations = state
        return (jnp.max(jnp.abs(rest)) > small) & (iterations < max_iterations)

    def iterate(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        v, rest, iterations = state
        v = v + rest
        return v, right - matrix(v), iterations + 1

    start = right, right - matrix(right), jnp.zeros((), jnp.int32)
    return lax.while_loop(unsolved, iterate, start)[0]


def _dense(matrix: Linear, right: Array) -> Array:
    """v with M v = r, by elimination: M `[..., N, N]` is M of the N unit vectors."""
    units = jnp.eye(right.shape[-1], dtype=right.dtype)
    columns = jax.vmap(lambda unit: matrix(jnp.broadcast_to(unit, right.shape)), out_axes=-1)(units)
    solution: Array = jnp.linalg.solve(columns, right[..., None])[..., 0]
    return solution


def _ravel(state: State) -> tuple[Array, Callable[[Array], State]]:
    """All arrays of a state side by side, `[..., N]`, and the way back."""
    leaves, structure = jax.tree.flatten(state)
    ends, total = [], 0
    for leaf in leaves[:-1]:
        total += leaf.shape[-1]
        ends.append(total)

    def unravel(flat: Array) -> State:
        return jax.tree.unflatten(structure, jnp.split(flat, ends, axis=-1))

    return jnp.concatenate(leaves, axis=-1), unravel


def _start(state: State) -> Carry:
    return state, jnp.zeros((), jnp.int32)


def _scheme(step: Callable[..., Step], order: int, source: str) -> Scheme:
    return Scheme(
        step,
        order,
        source,
        stages=0,
        own_options=(SOLVER, TOLERANCE, MAX_ITERATIONS),
        start=_start,
        state=lambda carry: carry[0],
        failures=lambda carry: carry[1],
    )


BACKWARD_EULER = _scheme(backward_euler, 1, "Hairer, Wanner II, IV.3")
IMPLICIT_MIDPOINT = _scheme(
    implicit_midpoint, 2, "Hairer, Lubich, Wanner, Geometric Numerical Integration, II.1"
)
TRAPEZOID = _scheme(trapezoid, 2, "Hairer, Wanner II, IV.3")
