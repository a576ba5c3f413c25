"""How the eigenvalues of the end-to-end Jacobian change as the sequence grows.

The paper shows the mean and the spread of their absolute values, for AntisymmetricRNNs with
several γ and an LSTM on noise-padded CIFAR-10. Here the networks are at their initial
parameters and the input is the noise alone, independent N(0, 1) as in the padded steps; so
no data and no runs are needed. The Jacobian of the LSTM is that of its whole state (h, c).
Where |λ| stays near 1, gradients neither vanish nor explode.
"""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from asrnn.dynamics import Coefficients, make_cell
from asrnn.dynamics.stability import absolute_eigenvalues, end_to_end_jacobians
from asrnn.files import replacing, write_atomically
from asrnn.typing import Array

DIFFUSIONS = (0.0, 0.001, 0.01, 0.1, 1.0)  # γ
STEP_SIZE = 0.01  # ε
INIT_SCALE = 1.0  # σ_w
SPREADS = (1e-6, 1.0)  # what is drawn of the standard deviations, or more; the rest is in the CSV
MOST_LINEAR = 10.0  # the largest mean that is drawn on a linear axis
INPUT_SIZE = 96  # m, that of noise-padded CIFAR-10


class Scale(NamedTuple):
    """The size of the computation."""

    hidden_size: int
    steps: int
    every: int
    """Steps between two spectra."""


FULL = Scale(128, 1000, 20)
QUICK = Scale(16, 40, 10)


class Point(NamedTuple):
    """The spectrum of one network after some steps."""

    network: str
    diffusion: float | None
    steps: int
    mean: float
    """Of |λ| over all eigenvalues."""
    std: float


def spectra(scale: Scale) -> list[Point]:
    """Mean and standard deviation of |λ| for every network and time, in double precision."""
    with jax.enable_x64(True):
        antisymmetric = _jacobians("antisymmetric", scale)
        networks: dict[tuple[str, float | None], Array] = {
            (f"AntisymmetricRNN, γ = {diffusion:g}", diffusion): antisymmetric(diffusion)
            for diffusion in DIFFUSIONS
        }
        networks["LSTM", None] = _jacobians("lstm", scale)(0.0)
    return [
        Point(name, diffusion, index * scale.every, float(sizes.mean()), float(sizes.std()))
        for (name, diffusion), jacobians in networks.items()
        for index, sizes in enumerate(
            [np.ones(1), *map(absolute_eigenvalues, jacobians)]  # after no step the identity
        )
    ]


def write_spectra(out: Path, *, quick: bool) -> list[Path]:
    """Writes the numbers and draws them: spectra.csv and spectra.png in a folder."""
    scale, stem = (QUICK, "spectra-quick") if quick else (FULL, "spectra")
    title = (
        f"{scale.hidden_size} units at initialisation, ε = {STEP_SIZE}, σ_w = {INIT_SCALE:g},"
        " N(0, 1) input, seed 0"
    )
    title = f"{title} (quick check, scaled down)" if quick else title
    return write_points(spectra(scale), out / stem, title)


def write_points(points: Sequence[Point], stem: Path, title: str) -> list[Path]:
    """Writes points as STEM.csv and draws them as STEM.png."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Point._fields)
    writer.writerows(points)
    table, picture = stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.png")
    write_atomically(table, text.getvalue())
    drawn = _draw(points, title)
    with replacing(picture) as temporary:
        drawn.savefig(temporary, format="png", dpi=120)
    return [picture, table]


def _jacobians(cell_name: str, scale: Scale) -> Callable[[float], Array]:
    """A compiled function of γ: the end-to-end Jacobians of a network and an input."""
    cell = make_cell(cell_name)
    key_params, key_inputs = jax.random.split(jax.random.key(0))
    params = cell.init(key_params, INPUT_SIZE, scale.hidden_size, init_scale=INIT_SCALE)
    inputs = jax.random.normal(key_inputs, (scale.steps, 1, INPUT_SIZE))
    carry = cell.initial_carry(params, 1)

    def jacobians(diffusion: Array) -> Array:
        step = cell.prepare(params, Coefficients(STEP_SIZE, diffusion))
        return end_to_end_jacobians(step, carry, inputs, every=scale.every)

    return jax.jit(jacobians)


def _draw(points: Sequence[Point], title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for network in dict.fromkeys(point.network for point in points):
        own = [point for point in points if point.network == network]
        steps = [point.steps for point in own]
        style = "k--" if network == "LSTM" else "-"
        left.plot(steps, [point.mean for point in own], style, label=network)
        right.plot(steps, [point.std for point in own], style)
    left.axhline(1.0, color="#999999", linewidth=0.8)
    left.set(xlabel="steps", ylabel="mean of |λ|")
    low, high = SPREADS
    high = max(high, 1.5 * max(point.std for point in points))
    right.set(xlabel="steps", ylabel="standard deviation of |λ|", ylim=(low, high))
    if max(point.mean for point in points) > MOST_LINEAR:
        left.set_yscale("log", nonpositive="mask")
    right.set_yscale("log", nonpositive="mask")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
