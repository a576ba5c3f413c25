"""The cells of other papers in NumPy and float64, written from their equations and nothing else.

States are columns, as in the papers: `y` is `[n]`, V is `[n, m]`. A state of two parts is their
concatenation `[2n]` to a field, and a tuple to a step.
"""

import numpy as np

STIFFNESS, DAMPING, BETA = 0.6, 0.4, 0.8


def shapes(n, m):
    """The parameters of each cell."""
    driven = {"input_kernel": (m, n), "bias": (n,)}
    gate = {"gate_input_kernel": (m, n), "gate_bias": (n,)}
    triangle = {"recurrent_triangle": (n * (n - 1) // 2,)}
    pair = {"linear_kernel": (n, n), "recurrent_kernel": (n, n)}
    return {
        "linear_antisymmetric": triangle | driven,
        "lipschitz": pair | driven,
        "gated_lipschitz": pair | driven | gate,
        "cornn": {"recurrent_kernel": (n, n), "velocity_kernel": (n, n)} | driven,
        "unicornn": {"recurrent_diagonal": (n,), "time_scale": (n,)} | driven,
        "lem": {
            "recurrent_kernel": (n, 3 * n),
            "memory_kernel": (n, n),
            "recurrent_bias": (4 * n,),
            "input_kernel": (m, 4 * n),
            "bias": (4 * n,),
        },
        "cayley": triangle | driven,
        "expm": triangle | driven,
        "residual": {"recurrent_kernel": (n, n)} | driven,
    }


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def skew(triangle, n):
    """The skew matrix whose entries above the diagonal are these, row by row."""
    above = np.zeros((n, n))
    above[np.triu_indices(n, 1)] = triangle
    return above - above.T


def driven(p, x):
    return p["input_kernel"].T @ x + p["bias"]


# ---- fields


def linear_antisymmetric(p, diffusion, h, x):
    return skew(p["recurrent_triangle"], len(h)) @ h + np.tanh(driven(p, x))


def lipschitz(p, diffusion, h, x):
    def constrained(free):
        n = len(h)
        return np.array(
            [
                [
                    BETA * (free[i, j] - free[j, i])
                    + (1 - BETA) * (free[i, j] + free[j, i])
                    - diffusion * (i == j)
                    for j in range(n)
                ]
                for i in range(n)
            ]
        )

    A, W = constrained(p["linear_kernel"]), constrained(p["recurrent_kernel"])
    rate = A @ h + np.tanh(W @ h + driven(p, x))
    if "gate_bias" not in p:
        return rate
    return rate * sigmoid(W @ h + p["gate_input_kernel"].T @ x + p["gate_bias"])


def cornn(p, diffusion, state, x):
    y, z = np.split(state, 2)
    force = np.tanh(p["recurrent_kernel"] @ y + p["velocity_kernel"] @ z + driven(p, x))
    return np.concatenate([z, force - STIFFNESS * y - DAMPING * z])


def unicornn(p, diffusion, state, x):
    y, z = np.split(state, 2)
    scale = sigmoid(p["time_scale"])
    force = np.tanh(p["recurrent_diagonal"] * y + driven(p, x)) + STIFFNESS * y
    return np.concatenate([scale * z, -scale * force])


def residual(p, diffusion, h, x):
    return np.tanh(p["recurrent_kernel"] @ h + driven(p, x))


FIELDS = {
    "linear_antisymmetric": linear_antisymmetric,
    "lipschitz": lipschitz,
    "gated_lipschitz": lipschitz,
    "cornn": cornn,
    "unicornn": unicornn,
    "residual": residual,
}
"""`(params, γ, state, x) -> its rate`."""

PAIRS = ("cornn", "unicornn")
"""Cells whose state has two parts."""


# ---- maps


def lem(p, eps, carry, x):
    y, z = carry
    n = len(y)
    w1, w2, wz = np.split(p["recurrent_kernel"].T, 3)
    v1, v2, vz, vy = np.split(p["input_kernel"].T, 4)
    b1, b2, bz, by = np.split(p["bias"] + p["recurrent_bias"], 4)
    dt1 = eps * sigmoid(w1 @ y + v1 @ x + b1)
    dt2 = eps * sigmoid(w2 @ y + v2 @ x + b2)
    z = (np.ones(n) - dt2) * z + dt2 * np.tanh(wz @ y + vz @ x + bz)
    y = (np.ones(n) - dt1) * y + dt1 * np.tanh(p["memory_kernel"].T @ z + vy @ x + by)
    return y, z


def cayley(p, eps, carry, x):
    (h,) = carry
    C, identity = skew(p["recurrent_triangle"], len(h)), np.eye(len(h))
    return (np.tanh(np.linalg.inv(identity + C) @ (identity - C) @ h + driven(p, x)),)


def exponential(S):
    """e^S by its series on S / 2¹⁰, squared ten times."""
    small, total, term = S / 1024, np.eye(len(S)), np.eye(len(S))
    for k in range(1, 15):
        term = term @ small / k
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def expm(p, eps, carry, x):
    (h,) = carry
    a = exponential(skew(p["recurrent_triangle"], len(h))) @ h + p["input_kernel"].T @ x
    size = np.abs(a) + p["bias"]
    return (np.where(size > 0, np.sign(a) * size, 0.0),)


MAPS = {"lem": lem, "cayley": cayley, "expm": expm}
"""`(params, ε, carry, x) -> carry`."""
