"""The same recurrence twice: in float64 NumPy with a gradient by hand, and as a jnp scan."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

Arrays = tuple[np.ndarray | None, ...]


class Sizes(NamedTuple):
    """T, B, n, m and whether there is a gate."""

    steps: int
    batch: int
    units: int
    inputs: int
    gated: bool


def random_arguments(sizes: Sizes, seed: int = 0, step_size: float = 0.1) -> Arrays:
    """Arguments of `unroll` at the paper's scale: W of variance 1/n, V of 1/m, diffusion 0.01."""
    rng = np.random.default_rng(seed)
    T, B, n, m, gated = sizes
    upper = np.triu(rng.normal(size=(n, n)) / np.sqrt(n), 1)
    kernels = [(rng.normal(size=(m, n)) / np.sqrt(m), 0.1 * rng.normal(size=n)) for _ in range(2)]
    arguments = (
        upper - upper.T - 0.01 * np.eye(n),
        *kernels[0],
        *(kernels[1] if gated else (None, None)),
        np.array(step_size),
        rng.uniform(size=(T, B, m)),
        0.5 * rng.normal(size=(B, n)),
    )
    return tuple(None if a is None else a.astype(np.float32) for a in arguments)


def as_jax(arguments: Arrays) -> tuple[jax.Array | None, ...]:
    return tuple(None if a is None else jnp.asarray(a) for a in arguments)


def _sigmoid(g: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-g))


def forward64(arguments: Arrays) -> np.ndarray:
    """The states before and after every step, [T + 1, B, n], in float64."""
    A, V, b, Vz, bz, step_size, x, h = (
        None if a is None else a.astype(np.float64) for a in arguments
    )
    states = [h]
    for x_t in x:
        shared = states[-1] @ A.T
        rate = np.tanh(shared + x_t @ V + b)
        if Vz is not None:
            rate = rate * _sigmoid(shared + x_t @ Vz + bz)
        states.append(states[-1] + step_size * rate)
    return np.stack(states)


class Gradients(NamedTuple):
    """Of the arguments present, in their order, and the norm of what the step size's sums up:
    terms of both signs, so that its own size says little about rounding."""

    values: list[np.ndarray]
    step_size_terms: float


def gradients64(arguments: Arrays, d_final: np.ndarray, d_states: np.ndarray) -> Gradients:
    """Of sum(final * d_final) + sum(states * d_states), in float64."""
    states = forward64(arguments)
    A, V, b, Vz, bz, step_size, x, _ = (
        None if a is None else a.astype(np.float64) for a in arguments
    )
    gated = Vz is not None
    dA, dV, db, terms = np.zeros_like(A), np.zeros_like(V), np.zeros_like(b), []
    dVz, dbz, dx = np.zeros_like(V), np.zeros_like(b), np.zeros_like(x)
    dh = d_final.astype(np.float64)
    for t in reversed(range(len(x))):
        dh = dh + d_states[t]
        shared = states[t] @ A.T
        s = np.tanh(shared + x[t] @ V + b)
        z = _sigmoid(shared + x[t] @ Vz + bz) if gated else np.ones_like(s)
        du = step_size * z * (1 - s**2) * dh
        dg = step_size * s * z * (1 - z) * dh if gated else np.zeros_like(du)
        terms.append(dh * z * s)
        dA += (du + dg).T @ states[t]
        dV, db = dV + x[t].T @ du, db + du.sum(0)
        dVz, dbz = dVz + x[t].T @ dg, dbz + dg.sum(0)
        dx[t] = du @ V.T + (dg @ Vz.T if gated else 0.0)
        dh = dh + (du + dg) @ A
    gate = [dVz, dbz] if gated else []
    dstep = np.asarray(np.sum(terms))
    return Gradients([dA, dV, db, *gate, dstep, dx, dh], float(np.linalg.norm(terms)))


def scan(A, V, b, Vz, bz, step_size, x, h, *, return_states):
    """`unroll` as jax.lax.scan."""
    precise = jax.lax.Precision.HIGHEST

    def step(h: jax.Array, x_t: jax.Array) -> tuple[jax.Array, jax.Array]:
        shared = jnp.dot(h, A.T, precision=precise)
        rate = jnp.tanh(shared + jnp.dot(x_t, V, precision=precise) + b[None])
        if Vz is not None:
            gate = shared + jnp.dot(x_t, Vz, precision=precise) + bz[None]
            rate = rate * jax.lax.logistic(gate)
        h = h + step_size * rate
        return h, h

    final, states = jax.lax.scan(step, h, x)
    return final, states if return_states else None


def largest_error(found: list[jax.Array], expected: Gradients) -> float:
    """The largest of the gradients' relative differences."""
    errors = []
    for one, exact in zip(found, expected.values, strict=True):
        terms = expected.step_size_terms if exact.ndim == 0 else 0.0
        scale = max(float(np.linalg.norm(exact)), terms)
        errors.append(np.linalg.norm(np.asarray(one, np.float64) - exact) / (scale or 1.0))
    return float(max(errors))


def distance(found: np.ndarray | jax.Array, expected: np.ndarray | jax.Array) -> float:
    """Relative difference of norms."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    scale = np.linalg.norm(expected)
    return float(np.linalg.norm(found - expected) / (scale if scale > 0 else 1.0))


def differentiate(unroll, arguments, d_final, d_states, **options):
    """Results and the gradients with respect to every argument present."""

    def loss(present: list[jax.Array]) -> tuple[jax.Array, object]:
        given = iter(present)
        every = (None if a is None else next(given) for a in arguments)
        final, states = unroll(*every, **options)
        total = jnp.sum(final * d_final)
        if states is not None:
            total += jnp.sum(states * d_states)
        return total, (final, states)

    present = [a for a in as_jax(arguments) if a is not None]
    (_, results), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(present)
    return results, gradients


def cotangents(sizes: Sizes, return_states: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    d_final = rng.normal(size=(sizes.batch, sizes.units)).astype(np.float32)
    d_states = rng.normal(size=(sizes.steps, sizes.batch, sizes.units)).astype(np.float32)
    return d_final, d_states * return_states


any_sizes = st.builds(
    Sizes,
    steps=st.integers(1, 50),
    batch=st.integers(1, 40),
    units=st.integers(1, 70),
    inputs=st.integers(1, 40),
    gated=st.booleans(),
)
