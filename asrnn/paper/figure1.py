"""Figure 1 of the paper: eight recurrent networks in the plane, without input.

Above, h_t = tanh(W h_{t-1}); below, with feedback, h_t = h_{t-1} + ε tanh(W h_{t-1}), over
the vector field of its ODE. The stars are the starts, fainter dots are earlier states.
The paper names no generator: W of panels a, c and d are drawn by NumPy from the seeds in
their titles, and c and d are a reflection and a rotation, as in the paper. All is in double
precision.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.dynamics import TanhField
from asrnn.dynamics.cells.baselines import vanilla_step
from asrnn.dynamics.schemes import SCHEMES
from asrnn.dynamics.stability import absolute_eigenvalues, step_jacobian
from asrnn.files import replacing, write_atomically
from asrnn.typing import Array

STEPS = 50  # the paper's
STEP_SIZE = 0.1  # ε
DIFFUSION = 0.15  # γ of panel h
STARTS = ((0.0, 0.5), (-0.5, -0.5), (0.5, -0.75))
COLOURS = ("#1f77b4", "#d62728", "#2ca02c")


class Panel(NamedTuple):
    """One network of the figure."""

    title: str
    matrix: np.ndarray
    """W, `[2, 2]`."""
    feedback: bool


def panels() -> list[Panel]:
    """The eight networks, a to h."""
    rotation = np.array([[0.0, -2.0], [2.0, 0.0]])
    vanilla = {
        "(a) W random, seed 0": np.random.RandomState(0).standard_normal((2, 2)),
        "(b) W the identity": np.eye(2),
        "(c) W a random reflection, seed 0": _orthogonal(0, determinant=-1),
        "(d) W a random rotation, seed 1": _orthogonal(1, determinant=1),
    }
    feedback = {
        "(e) W with λ = 2, 2": np.array([[2.0, -2.0], [0.0, 2.0]]),
        "(f) W with λ = -2, -2": np.array([[-2.0, 2.0], [0.0, -2.0]]),
        "(g) W antisymmetric, λ = ±2i": rotation,
        f"(h) as g with γ = {DIFFUSION}": rotation - DIFFUSION * np.eye(2),
    }
    return [
        *(Panel(title, matrix, False) for title, matrix in vanilla.items()),
        *(Panel(title, matrix, True) for title, matrix in feedback.items()),
    ]


def step_of(panel: Panel) -> Any:
    """One step of the network, `(h [B, 2], x [B, 1]) -> h`; the input is taken as zero."""
    matrix = jnp.asarray(panel.matrix, float)
    still = {"input_kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)}
    if panel.feedback:
        return SCHEMES["euler"].step(TanhField(matrix, **still), STEP_SIZE)
    params = still | {"recurrent_kernel": matrix.T}  # its states are rows
    return lambda h, x: vanilla_step(params, {}, (h,), x)[0]


def trajectories(panel: Panel, steps: int = STEPS) -> np.ndarray:
    """The states `[steps + 1, 3, 2]` from each of the starts."""
    with jax.enable_x64(True):
        step, still = step_of(panel), jnp.zeros((len(STARTS), 1))

        def advance(h: Array, _: None) -> tuple[Array, Array]:
            h = step(h, still)
            return h, h

        starts = jnp.asarray(STARTS)
        _, states = jax.lax.scan(advance, starts, None, length=steps)
        return np.concatenate([starts[None], states])


def growth(panel: Panel) -> float:
    """The largest |λ| of a step's Jacobian at the origin, max |1 + ελ| with feedback."""
    with jax.enable_x64(True):
        jacobian = step_jacobian(step_of(panel), jnp.zeros(2), jnp.zeros(1))
        return float(absolute_eigenvalues(jacobian)[0])


def write_figure1(out: Path, steps: int = STEPS) -> list[Path]:
    """Draws the eight panels, and writes their trajectories: figure1.png and figure1.json.

    With other steps than the paper's they are figure1-STEPS.png and .json.

    The JSON has `steps`, `step_size` and `panels`, each with `title`, `matrix`, `feedback`,
    `growth` and `trajectories`, [start][step][axis].
    """
    states = [trajectories(panel, steps) for panel in panels()]
    stem = "figure1" if steps == STEPS else f"figure1-{steps}"
    picture, numbers = out / f"{stem}.png", out / f"{stem}.json"
    _draw_panels(picture, states)
    content = [
        {
            "title": panel.title,
            "matrix": panel.matrix.tolist(),
            "feedback": panel.feedback,
            "growth": growth(panel),
            "trajectories": own.swapaxes(0, 1).tolist(),
        }
        for panel, own in zip(panels(), states, strict=True)
    ]
    found = {"steps": steps, "step_size": STEP_SIZE, "panels": content}
    write_atomically(numbers, json.dumps(found) + "\n")
    return [picture, numbers]


def _draw_panels(path: Path, trajectories: list[np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 7.6), layout="constrained")
    axes = figure.subplots(2, 4).flat
    for axis, panel, states in zip(axes, panels(), trajectories, strict=True):
        limit = 1.1 * max(1.0, float(np.abs(states).max()))
        if panel.feedback:
            _draw_field(axis, panel.matrix, limit)
        for start, colour in enumerate(COLOURS):
            _draw_states(axis, states[:, start], colour)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axis.set_title(f"{panel.title}\nlargest |λ| of a step at 0: {growth(panel):.4f}", size=10)
    figure.suptitle(
        f"{len(trajectories[0]) - 1:,} steps without input: tanh(W h) above,"
        f" h + ε tanh(W h) with ε = {STEP_SIZE} below"
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_states(axis: Any, states: np.ndarray, colour: str) -> None:
    fading = np.linspace(0.15, 1.0, len(states))
    axis.scatter(*states.T, s=14, color=colour, alpha=fading, linewidths=0)
    axis.plot(*states[0], "*", color=colour, markersize=13, markeredgecolor="black")


def _draw_field(axis: Any, matrix: np.ndarray, limit: float) -> None:
    ticks = np.linspace(-limit, limit, 15)
    h = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    slope = np.tanh(h @ matrix.T)
    axis.quiver(h[..., 0], h[..., 1], slope[..., 0], slope[..., 1], color="#bbbbbb", width=0.004)


def _orthogonal(seed: int, *, determinant: int) -> np.ndarray:
    """A random orthogonal matrix `[2, 2]`, the first of its stream with that determinant."""
    random = np.random.RandomState(seed)
    while True:
        q, r = np.linalg.qr(random.standard_normal((2, 2)))
        q = q * np.sign(np.diag(r))
        if round(float(np.linalg.det(q))) == determinant:
            return q
