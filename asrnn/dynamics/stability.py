"""Jacobians of one step and of many, Lyapunov exponents, and gradients through time.

With h_t = F(h_{t-1}, x_t) and J_t = ∂h_t/∂h_{t-1}, the end-to-end Jacobian is the product of the
steps' Jacobians, ∂h_T/∂h_0 = J_T ... J_2 J_1, and gradients pass through its transpose. Where the
paper (sections 2 and 3) speaks of the eigenvalues of J_t alone, this is what holds:

* Propositions 1 and 2 (eqs. 4 and 11) are about one constant Jacobian. For J_t that changes with t,
  |λ(J_t)| <= 1 at every t is neither necessary nor sufficient for bounded products: the eigenvalues
  of [[0, 2], [1/4, 0]] and [[0, 1/4], [2, 0]] are ±√½, and their product has the eigenvalue 4. What
  decides is the product: its singular values, and in the long run the Lyapunov exponents.
* Likewise A(t) = P exp(Λ t) P⁻¹ (eq. 7) holds for a constant Jacobian only.
* The Jacobian of eq. 8, diag(d) S with S antisymmetric and d = tanh' > 0, has imaginary
  eigenvalues, for it is similar to diag(d)^½ S diag(d)^½. It is not antisymmetric itself, so even a
  constant one may let a state grow for a while, by √(max d / min d) at most.
* With diffusion, -γ max d <= Re λ <= -γ min d.
* Under a gate (eq. 13) the diagonal is σ'(a) tanh(c) + σ(a) tanh'(c), which can be negative;
  real parts then leave 0, to either side.
* Euler multiplies a mode iω of the ODE by 1 + iεω, of size √(1 + ε²ω²): with γ = 0 its steps never
  satisfy Proposition 2 unless ω = 0, and -γ + iω does if and only if ε <= 2γ / (γ² + ω²).

All functions are pure and take one sequence, the state of which is all floating-point arrays of the
carry, N entries in all. They can be jitted, and `over_examples` maps them over a batch.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from asrnn.dynamics import graded_svd
from asrnn.typing import Array, Carry, Step, is_floating


def over_examples(function: Callable[[Carry, Array], Any], carry: Carry, inputs: Array) -> Any:
    """What a function of one sequence gives for each of B sequences, with a leading axis B.

    For example `over_examples(partial(lyapunov_exponents, step), carry, inputs)`, `[B, N]`.

    Args:
      function: `(carry, inputs [T, 1, m]) -> result`, the arrays of the carry `[1, n]`.
      carry: the carry of all sequences, its floating-point arrays `[B, n]`.
      inputs: `[T, B, m]`.
    """

    def one(carry: Carry, xs: Array) -> Any:
        alone = jax.tree.map(lambda leaf: leaf[None] if is_floating(leaf) else leaf, carry)
        return function(alone, xs[:, None])

    axes = jax.tree.map(lambda leaf: 0 if is_floating(leaf) else None, carry)
    return jax.vmap(one, in_axes=(axes, 1))(carry, inputs)


# ---- Jacobians


def step_jacobian(step: Step, carry: Carry, x: Array) -> Array:
    """∂F/∂h `[N, N]` of one step.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before it; of an LSTM h and c, both of which count.
      x: the input of the step.
    """
    jacobian: Array = end_to_end_jacobians(step, carry, x[None], every=1)[0]
    return jacobian


def step_jacobians(step: Step, carry: Carry, inputs: Array, *, every: int = 1) -> Array:
    """J_t `[⌈T / every⌉, N, N]` along a trajectory, for t = 1, 1 + every, 1 + 2 every, ...

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step.
      inputs: `[T, ...]`, the input of each step.
      every: steps between two of them.
    """

    def segment(carry: Carry, xs: Array) -> tuple[Carry, Array]:
        jacobian = step_jacobian(step, carry, xs[0])
        return _moved(step, carry, xs), jacobian

    jacobians: Array = _in_segments(segment, carry, inputs, every)[1]
    return jacobians


def step_eigenvalues(step: Step, carry: Carry, inputs: Array, *, every: int = 1) -> np.ndarray:
    """The eigenvalues of J_t, complex `[⌈T / every⌉, N]`; arguments as `step_jacobians`.

    They tell of one step only: see the head of this file.
    """
    jacobians = jax.jit(partial(step_jacobians, step, every=every))(carry, inputs)
    return np.linalg.eigvals(np.asarray(jacobians)).astype(complex)


def end_to_end_jacobians(step: Step, carry: Carry, inputs: Array, *, every: int) -> Array:
    """∂h_t/∂h_0 `[⌈T / every⌉, N, N]` for t = every, 2 every, ..., and T, in one pass.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step.
      inputs: `[T, ...]`, the input of each step.
      every: steps between two of them.
    """

    def segment(state: tuple[Carry, Array], xs: Array) -> tuple[tuple[Carry, Array], Array]:
        state = _pushed(step, *state, xs)
        return state, state[1]

    start = carry, jnp.eye(_size(carry), dtype=_dtype(carry))
    jacobians: Array = _in_segments(segment, start, inputs, every)[1]
    return jacobians


def absolute_eigenvalues(matrix: Array) -> np.ndarray:
    """|λ| of a square matrix, the largest first."""
    return np.sort(np.abs(np.linalg.eigvals(np.asarray(matrix))))[::-1]


# ---- long products


class Product(NamedTuple):
    """A product of many matrices as Q diag(exp ℓ) R, which neither overflows nor underflows.

    Q is orthogonal and the rows of R have the norm 1, so all that grows or shrinks is in ℓ, the
    largest of which come first. Source: the stabilised products of Loh & Gubernatis (Electronic
    Phase Transitions, 1992), with the columns sorted before each QR decomposition.
    """

    left: Array
    """Q `[N, N]`."""
    log_scales: Array
    """ℓ `[N]`, -inf for a direction that is lost."""
    right: Array
    """R `[N, N]`."""

    def matrix(self) -> Array:
        """Q diag(exp ℓ) R `[N, N]`, with what a float of its type cannot hold as inf or 0."""
        return self.left @ (jnp.exp(self.log_scales)[:, None] * self.right)

    def log_singular_values(self) -> Array:
        """log σ_i `[N]`, the largest first; each of them to about the same relative accuracy.

        log σ_i / T is the finite-time Lyapunov exponent in the strict sense.
        """
        return graded_svd.log_singular_values(self.log_scales, self.right)

    def log_eigenvalues(self) -> np.ndarray:
        """log|λ_i| + i arg λ_i, complex `[N]`, the largest |λ| first; -inf where |λ_i| is 0.

        They are those of diag(exp(ℓ - ℓ_1)) R Q, shifted by ℓ_1. What is smaller than the largest
        by more than the range of a float is 0; and an eigenvalue is only as good as it is
        conditioned, while singular values always are.
        """
        logs, inner = np.asarray(self.log_scales), np.asarray(self.right @ self.left)
        if not np.isfinite(logs[0]):
            return np.full(len(logs), -np.inf, complex)
        values = np.linalg.eigvals(np.exp(logs - logs[0])[:, None] * inner).astype(complex)
        values = values[np.argsort(-np.abs(values), kind="stable")]
        with np.errstate(divide="ignore"):
            logarithms: np.ndarray = np.log(np.abs(values)) + logs[0] + 1j * np.angle(values)
        return logarithms


def end_to_end_product(step: Step, carry: Carry, inputs: Array, *, every: int = 10) -> Product:
    """∂h_T/∂h_0 for any T; arguments as `end_to_end_jacobians`.

    `every` steps lie between two orthogonalisations, which take most of the time. The more there
    are, the more digits are lost: those of the condition of the product of so many.
    """

    def segment(state: tuple[Carry, Product], xs: Array) -> tuple[tuple[Carry, Product], None]:
        carry, product = state
        carry, columns = _pushed(step, carry, product.left, xs)
        return (carry, _absorbed(product, columns)), None

    identity = jnp.eye(_size(carry), dtype=_dtype(carry))
    start = carry, Product(identity, jnp.zeros_like(identity[0]), identity)
    product: Product = _in_segments(segment, start, inputs, every)[0][1]
    return product


def _absorbed(product: Product, columns: Array) -> Product:
    """P <- J P, from the columns J Q.

    With the columns in the order of their sizes, (J Q)_π = Q' R', what is left to multiply is
    R' diag(exp ℓ_π) R_π, upper triangular times diagonal: a row of it is scaled by its largest
    entry, in logarithms, before it is multiplied by R_π.
    """
    order = jnp.argsort(-(product.log_scales + jnp.log(jnp.linalg.norm(columns, axis=0))))
    left, upper = jnp.linalg.qr(columns[:, order])
    logs = jnp.log(jnp.abs(upper)) + product.log_scales[order][None]
    largest = logs.max(1)
    shift = jnp.where(jnp.isfinite(largest), largest, 0.0)
    inner = jnp.sign(upper) * jnp.exp(logs - shift[:, None])
    lost = ~jnp.isfinite(largest)[:, None]
    right = jnp.where(lost, jnp.eye(len(inner), dtype=inner.dtype), inner) @ product.right[order]
    sizes = jnp.linalg.norm(right, axis=1)
    return Product(left, largest + jnp.log(sizes), right / sizes[:, None])


# ---- Lyapunov exponents


def lyapunov_exponents(
    step: Step, carry: Carry, inputs: Array, *, count: int | None = None, every: int = 10
) -> Array:
    """The largest finite-time Lyapunov exponents of a trajectory, `[count]`, the largest first.

    λ_i = (1/T) Σ_t log (R_t)_ii with J_t Q_{t-1} = Q_t R_t, from a random Q_0: how fast distances
    grow, in nats a step; divide by ε for nats per unit of time. They tend to log σ_i / T of the
    end-to-end Jacobian as T grows. Their sum over all N is (1/T) log|det ∂h_T/∂h_0| for every T.

    Source: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 1980.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step.
      inputs: `[T, ...]`, the input of each step.
      count: how many; all N by default.
      every: steps between two orthogonalisations.
    """
    size, dtype = _size(carry), _dtype(carry)
    # The first columns are the same, however many are asked for.
    drawn = jax.random.normal(jax.random.key(0), (size, size), dtype)[:, : count or size]

    def segment(state: Any, xs: Array) -> tuple[Any, None]:
        carry, frame, sums = state
        carry, columns = _pushed(step, carry, frame, xs)
        frame, upper = jnp.linalg.qr(columns)
        return (carry, frame, sums + jnp.log(jnp.abs(jnp.diagonal(upper)))), None

    start = carry, jnp.linalg.qr(drawn)[0], jnp.zeros_like(drawn[0])
    (_, _, sums), _ = _in_segments(segment, start, inputs, every)
    return jnp.sort(sums / len(inputs))[::-1]


def largest_lyapunov_exponent(step: Step, carry: Carry, inputs: Array) -> Array:
    """(1/T) log |J_T ... J_1 v| of a random unit vector v: a scalar, at the cost of two networks.

    It lies below (1/T) log σ_1 by about log(N) / 2T, as v has only its part of the direction that
    grows most, and tends to the largest exponent as T grows; -inf where v is lost altogether.
    Arguments as `lyapunov_exponents`.
    """
    flat, unravel = ravel_pytree(_floats(carry))
    drawn = jax.random.normal(jax.random.key(0), flat.shape, flat.dtype)

    def advance(state: Any, x: Array) -> tuple[Any, None]:
        carry, tangent, total = state

        def moved(floats: list[Array]) -> tuple[list[Array], Carry]:
            after = step(_with_floats(carry, floats), x)
            return _floats(after), after

        _, pushed, after = jax.jvp(moved, (_floats(carry),), (unravel(tangent),), has_aux=True)
        pushed, _ = ravel_pytree(pushed)
        size = jnp.linalg.norm(pushed)
        return (after, pushed / jnp.where(size == 0, 1.0, size), total + jnp.log(size)), None

    start = carry, drawn / jnp.linalg.norm(drawn), jnp.zeros((), flat.dtype)
    (_, _, total), _ = lax.scan(advance, start, inputs)
    return total / len(inputs)


# ---- gradients through time


def nudged_trajectory(step: Step, carry: Carry, inputs: Array, nudges: list[Array]) -> Carry:
    """The carries after each step of h_t = F(h_{t-1}, x_t) + δ_t, with a leading axis T.

    The derivative of a loss of them by δ_t, at δ = 0, is the whole ∂loss/∂h_t: all ways on which
    h_t reaches the loss count.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step, of any batch.
      inputs: `[T, ...]`.
      nudges: δ, what `no_nudges` returns or the like.
    """

    def advance(carry: Carry, now: tuple[Array, list[Array]]) -> tuple[Carry, Carry]:
        x, deltas = now
        after = step(carry, x)
        moved = [leaf + delta for leaf, delta in zip(_floats(after), deltas, strict=True)]
        after = _with_floats(after, moved)
        return after, after

    _, carries = lax.scan(advance, carry, (inputs, nudges))
    return carries


def no_nudges(carry: Carry, steps: int) -> list[Array]:
    """δ = 0 for so many steps: zeros `[T, ...]` for each floating-point array of the carry."""
    return [jnp.zeros((steps, *leaf.shape), leaf.dtype) for leaf in _floats(carry)]


def gradient_norms(
    step: Step, carry: Carry, inputs: Array, loss: Callable[[Carry], Array]
) -> Array:
    """‖∂loss/∂h_t‖ of each sequence for t = 1 ... T, `[T, B]`.

    Args:
      step: what `Cell.prepare` returns.
      carry: the state before the first step, its arrays `[B, n]`.
      inputs: `[T, B, m]`.
      loss: a scalar, of the carries after each step with a leading axis T. A sum over sequences
        gives each its own gradient.
    """
    gradients = jax.grad(lambda nudges: loss(nudged_trajectory(step, carry, inputs, nudges)))(
        no_nudges(carry, len(inputs))
    )
    return norms(gradients)


def norms(arrays: list[Array]) -> Array:
    """‖·‖ over all but the first two axes of some arrays `[T, B, ...]` together, `[T, B]`.

    Squares underflow long before a small gradient does, so the largest entry is taken out first.
    """
    flat = jnp.concatenate([array.reshape(*array.shape[:2], -1) for array in arrays], -1)
    largest = jnp.abs(flat).max(-1)
    scale = jnp.where(largest == 0, 1.0, largest)
    relative: Array = jnp.linalg.norm(flat / scale[..., None], axis=-1)
    return largest * relative


# ---- parts


def _in_segments(
    segment: Callable[[Any, Array], tuple[Any, Any]], state: Any, inputs: Array, every: int
) -> tuple[Any, Any]:
    """Scans over segments of `every` steps, the last of which may be shorter."""
    count, rest = divmod(len(inputs), every)
    whole = inputs[: count * every].reshape(count, every, *inputs.shape[1:])
    state, found = lax.scan(segment, state, whole)
    if not rest:
        return state, found
    state, last = segment(state, inputs[count * every :])
    join = partial(jax.tree.map, lambda head, tail: jnp.concatenate([head, tail[None]]))
    return state, join(found, last)


def _moved(step: Step, carry: Carry, inputs: Array) -> Carry:
    carry, _ = lax.scan(lambda carry, x: (step(carry, x), None), carry, inputs)
    return carry


def _pushed(step: Step, carry: Carry, columns: Array, inputs: Array) -> tuple[Carry, Array]:
    """The carry after some steps, and J_t ... J_1 V `[N, k]`: a tangent for each column of V."""

    def advance(state: tuple[Carry, Array], x: Array) -> tuple[tuple[Carry, Array], None]:
        carry, columns = state
        flat, unravel = ravel_pytree(_floats(carry))

        def moved(flat: Array) -> tuple[Array, Carry]:
            after = step(_with_floats(carry, unravel(flat)), x)
            return ravel_pytree(_floats(after))[0], after

        _, push, after = jax.linearize(moved, flat, has_aux=True)
        return (after, jax.vmap(push, in_axes=1, out_axes=1)(columns)), None

    state, _ = lax.scan(advance, (carry, columns), inputs)
    return state


def _size(carry: Carry) -> int:
    return sum(leaf.size for leaf in _floats(carry))


def _dtype(carry: Carry) -> Any:
    return jnp.result_type(*_floats(carry))


def _floats(carry: Carry) -> list[Array]:
    """The arrays that one can differentiate in."""
    return [leaf for leaf in jax.tree.leaves(carry) if is_floating(leaf)]


def _with_floats(carry: Carry, floats: list[Array]) -> Carry:
    left = iter(floats)
    return jax.tree.map(lambda leaf: next(left) if is_floating(leaf) else leaf, carry)
