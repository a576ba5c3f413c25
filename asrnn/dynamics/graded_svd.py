"""Singular values of a matrix whose rows differ by any number of orders of magnitude.

A long product of matrices has singular values that no floating-point number can hold, and between
which there may be hundreds of orders of magnitude. Here the rows of such a matrix are unit vectors
with the logarithms of their sizes beside them, and one-sided Jacobi rotations work on that form
alone, so that small singular values are as accurate as large ones (Demmel & Veselić, Jacobi's
method is more accurate than QR, SIAM J. Matrix Anal. Appl. 13, 1992).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from asrnn.typing import Array

MAX_SWEEPS = 40  # six to ten suffice in practice


class _Rows(NamedTuple):
    """The matrix diag(exp ℓ) R with unit rows."""

    logs: Array
    """ℓ `[N]`, -inf for a row that is 0."""
    units: Array
    """R `[N, K]`."""


def log_singular_values(log_scales: Array, rows: Array) -> Array:
    """log σ_i of diag(exp ℓ) R, the largest first; -inf where a singular value is 0.

    Args:
      log_scales: ℓ `[N]`.
      rows: R `[N, K]`, N <= K. The error relative to each σ_i is about the condition of R, each of
        its rows scaled to 1, times the rounding.

    Returns:
      `[N]`.
    """
    number = rows.shape[0]
    if number % 2:  # a row of size 0 gives the odd one a partner
        log_scales = jnp.append(log_scales, -jnp.inf)
        rows = jnp.concatenate([rows, jnp.zeros_like(rows[:1])])
    tolerance = 4 * jnp.finfo(rows.dtype).eps
    rounds = len(rows) - 1  # in which each row meets each other once

    def unfinished(state: tuple[_Rows, Array, Array]) -> Array:
        _, largest, sweeps = state
        return (largest > tolerance) & (sweeps < MAX_SWEEPS)

    def sweep(state: tuple[_Rows, Array, Array]) -> tuple[_Rows, Array, Array]:
        rows, _, sweeps = state
        rows, cosines = lax.scan(lambda rows, _: _round(rows), rows, None, length=rounds)
        return rows, cosines.max(), sweeps + 1

    start = _scaled(log_scales, rows), jnp.array(jnp.inf, rows.dtype), jnp.array(0)
    orthogonal, _, _ = lax.while_loop(unfinished, sweep, start)
    return jnp.sort(orthogonal.logs)[::-1][:number]


def _round(rows: _Rows) -> tuple[_Rows, Array]:
    """Makes rows i and N - 1 - i orthogonal for all i; also the largest |cosine| between two.

    Then each row but the first moves on by one place, as in a tournament.
    """
    half = len(rows.logs) // 2
    one, other = (_Rows(*(x[:half] for x in rows)), _Rows(*(x[half:][::-1] for x in rows)))
    swapped = one.logs < other.logs
    larger, smaller = _chosen(swapped, other, one), _chosen(swapped, one, other)
    larger, smaller, cosines = _rotated(larger, smaller)
    # Back to their own places, or some two would never meet.
    one, other = _chosen(swapped, smaller, larger), _chosen(swapped, larger, smaller)
    joined = (jnp.concatenate([x, y[::-1]]) for x, y in zip(one, other, strict=True))
    moved = (jnp.concatenate([x[:1], x[-1:], x[1:-1]]) for x in joined)
    return _Rows(*moved), jnp.abs(cosines).max()


def _rotated(larger: _Rows, smaller: _Rows) -> tuple[_Rows, _Rows, Array]:
    """Jacobi's rotation of pairs of rows: of e^ℓ a and r e^ℓ b with unit a and b, 0 <= r <= 1.

    With c = aᵀb the angle is tan θ = τ r, where

        τ = 2 c / (1 - r² + √((1 - r²)² + 4 c² r²)),
        a <- cos θ (a + τ r² b),   b <- cos θ (b - τ a).

    r may underflow: what is left then is the Gram-Schmidt step b <- b - c a.
    """
    a, b = larger.units, smaller.units
    cosine = (a * b).sum(-1)
    apart = jnp.where(jnp.isfinite(smaller.logs), smaller.logs - larger.logs, -jnp.inf)
    ratio, gap = jnp.exp(apart), -jnp.expm1(2 * apart)
    denominator = gap + jnp.hypot(gap, 2 * cosine * ratio)
    tau = 2 * cosine / jnp.where(cosine == 0, 1.0, denominator)
    cos = lax.rsqrt(1 + jnp.square(tau * ratio))
    return (
        _scaled(larger.logs, cos[:, None] * (a + (tau * ratio**2)[:, None] * b)),
        _scaled(smaller.logs, cos[:, None] * (b - tau[:, None] * a)),
        cosine,
    )


def _chosen(condition: Array, yes: _Rows, no: _Rows) -> _Rows:
    units = jnp.where(condition[:, None], yes.units, no.units)
    return _Rows(jnp.where(condition, yes.logs, no.logs), units)


def _scaled(logs: Array, rows: Array) -> _Rows:
    """The same rows, of length 1."""
    sizes = jnp.linalg.norm(rows, axis=-1)
    units = rows / jnp.where(sizes == 0, 1.0, sizes)[:, None]
    return _Rows(logs + jnp.log(sizes), units)
