"""Every cell in NumPy and float64, written from the paper and from nothing in the package.

States are columns here, as in the paper: `h` is `[n]`, V is `[n, m]`.
"""

import numpy as np

from tests.dynamics import peers

N, M = 6, 5
"""A hidden size of two halves, and an input size that no axis can be mistaken for."""

STEP_SIZE, DIFFUSION = 0.3, 0.2
OTHERS = {"stiffness": peers.STIFFNESS, "damping": peers.DAMPING, "beta": peers.BETA}
"""The run-time scalars of the cells beside ε and γ."""

SHAPES = {
    "antisymmetric": {"recurrent_triangle": (15,), "input_kernel": (M, N), "bias": (N,)},
    "gated_antisymmetric": {
        "recurrent_triangle": (15,),
        "input_kernel": (M, N),
        "bias": (N,),
        "gate_input_kernel": (M, N),
        "gate_bias": (N,),
    },
    "hamiltonian": {"coupling": (N // 2, N // 2), "input_kernel": (M, N), "bias": (N,)},
    "gated_hamiltonian": {
        "coupling": (N // 2, N // 2),
        "input_kernel": (M, N),
        "bias": (N,),
        "gate_input_kernel": (M, N),
        "gate_bias": (N,),
    },
    "ablation": {
        "recurrent_kernel": (N, N),
        "input_kernel": (M, N),
        "bias": (N,),
        "gate_input_kernel": (M, N),
        "gate_bias": (N,),
    },
    "vanilla": {"recurrent_kernel": (N, N), "input_kernel": (M, N), "bias": (N,)},
    "lstm": {"recurrent_kernel": (N, 4 * N), "input_kernel": (M, 4 * N), "bias": (4 * N,)},
    "gru": {
        "recurrent_kernel": (N, 3 * N),
        "input_kernel": (M, 3 * N),
        "bias": (3 * N,),
        "recurrent_bias": (N,),
    },
    **peers.shapes(N, M),
}
"""The parameters of each cell for hidden size N and input size M."""

HAMILTONIAN_CELLS = ("hamiltonian", "gated_hamiltonian")
ODE_CELLS = (
    *("antisymmetric", "gated_antisymmetric", "ablation"),
    *HAMILTONIAN_CELLS,
    *peers.FIELDS,
)
ONE_OF_EACH_KIND = (
    "gated_antisymmetric",
    "hamiltonian",
    "lipschitz",
    "cornn",
    "lem",
    "expm",
    "lstm",
)
"""Cells for what depends on the shape of a carry, not on the equation."""
SPLIT_CELLS = (*HAMILTONIAN_CELLS, *peers.PAIRS)
ONE_STEP_SCHEMES = (
    *("euler", "midpoint", "heun", "rk4"),
    *("backward_euler", "implicit_midpoint", "trapezoid"),
)


def random_params(name, seed=0):
    """Parameters of which none is zero, so that none can be forgotten unnoticed.

    Those of fields with several matrices are smaller, so that fixed-point iterations converge.
    """
    rng = np.random.default_rng(seed)
    scale = 0.35 if name in peers.FIELDS else 0.7
    return {key: scale * rng.standard_normal(shape) for key, shape in SHAPES[name].items()}


def random_sequence(length, batch, seed=1):
    return np.random.default_rng(seed).standard_normal((length, batch, M))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def skew(triangle, n):
    """W - Wᵀ, entry by entry."""
    matrix = np.zeros((n, n))
    entries = iter(triangle)
    for i in range(n):
        for j in range(i + 1, n):
            matrix[i, j] = next(entries)
            matrix[j, i] = -matrix[i, j]
    return matrix


def matrix(name, p):
    """What multiplies the whole state: W - Wᵀ, a free W, or [[0, K], [-Kᵀ, 0]]."""
    if name in HAMILTONIAN_CELLS:
        K = p["coupling"]
        return np.block([[np.zeros_like(K), K], [-K.T, np.zeros_like(K)]])
    if name == "ablation":
        return p["recurrent_kernel"]
    return skew(p["recurrent_triangle"], len(p["bias"]))


def field(name, p, diffusion, h, x):
    """The right-hand side of the ODE at one state, its parts side by side, and one input."""
    if name in peers.FIELDS:
        return peers.FIELDS[name](p, diffusion, h, x)
    n, w = len(p["bias"]), matrix(name, p)
    a = np.array([sum(w[i, j] * h[j] for j in range(n)) for i in range(n)])
    candidate = np.tanh(a - diffusion * h + p["input_kernel"].T @ x + p["bias"])
    if "gate_bias" not in p:
        return candidate
    in_gate = a if name in HAMILTONIAN_CELLS else a - diffusion * h
    return sigmoid(in_gate + p["gate_input_kernel"].T @ x + p["gate_bias"]) * candidate


def solved(f, known, factor):
    """k = c + a f(k), by so many iterations that nothing changes any more."""
    k = known
    for _ in range(200):
        k = known + factor * f(k)
    return k


def advanced(f, h, eps, scheme):
    """One step of a scheme that needs nothing but the field."""
    if scheme == "euler":
        return h + eps * f(h)
    if scheme == "midpoint":
        return h + eps * f(h + eps / 2 * f(h))
    if scheme == "backward_euler":
        return solved(f, h, eps)
    if scheme == "implicit_midpoint":
        return h + eps * f(solved(f, h, eps / 2))
    if scheme == "trapezoid":
        return solved(f, h + eps / 2 * f(h), eps / 2)
    k1 = f(h)
    if scheme == "heun":
        return h + eps / 2 * (k1 + f(h + eps * k1))
    k2 = f(h + eps / 2 * k1)
    k3 = f(h + eps / 2 * k2)
    k4 = f(h + eps * k3)
    return h + eps * (k1 / 6 + k2 / 3 + k3 / 3 + k4 / 6)


def split_step(f, y, z, eps, scheme):
    """One step of position and momentum."""
    half = len(y)

    def rates(y, z):
        return np.split(f(np.concatenate([y, z])), [half])

    if scheme == "symplectic_euler":
        z = z + eps * rates(y, z)[1]
        return y + eps * rates(y, z)[0], z
    z = z + eps / 2 * rates(y, z)[1]
    y = y + eps * rates(y, z)[0]
    return y, z + eps / 2 * rates(y, z)[1]


def hidden(name, carry):
    """The hidden state: of two halves both, else the first array of a carry."""
    return np.concatenate(carry) if name in HAMILTONIAN_CELLS else carry[0]


def step(name, p, carry, x, *, eps=STEP_SIZE, diffusion=DIFFUSION, scheme="euler"):
    """One time step of one example; the carry is a tuple of arrays."""
    h = carry[0]
    if name in ODE_CELLS:

        def f(h):
            return field(name, p, diffusion, h, x)

        if scheme in ("symplectic_euler", "leapfrog"):
            return split_step(f, *carry, eps, scheme)
        parts = np.cumsum([len(part) for part in carry])[:-1]
        return tuple(np.split(advanced(f, np.concatenate(carry), eps, scheme), parts))
    if name in peers.MAPS:
        return peers.MAPS[name](p, eps, carry, x)
    v, u, b = p["input_kernel"].T, p["recurrent_kernel"].T, p["bias"]
    if name == "vanilla":
        return (np.tanh(u @ h + v @ x + b),)
    if name == "lstm":
        i, f, g, o = np.split(u @ h + v @ x + b, 4)
        c = sigmoid(f) * carry[1] + sigmoid(i) * np.tanh(g)
        return (sigmoid(o) * np.tanh(c), c)
    (xr, xz, xg), (hr, hz, hg) = np.split(v @ x + b, 3), np.split(u @ h, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    return ((1 - z) * np.tanh(xg + r * (hg + p["recurrent_bias"])) + z * h,)


def unroll(name, p, carry, inputs, **options):
    """Final carry `[B, n]` each, and states `[T, B, n]`, one example and one step at a time."""
    carries, states = [], []
    for example in range(inputs.shape[1]):
        state, row = tuple(part[example] for part in carry), []
        for x in inputs[:, example]:
            state = step(name, p, state, x, **options)
            row.append(hidden(name, state))
        carries.append(state)
        states.append(row)
    final = tuple(np.stack(parts) for parts in zip(*carries, strict=True))
    return final, np.array(states).reshape(*inputs.shape[1::-1], -1).swapaxes(0, 1)
