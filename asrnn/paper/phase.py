"""Where a network can be trained at all: growth through time, of schemes and of whole networks.

Left, the factor by which a step of each scheme multiplies a mode of the imaginary axis, from the
Jacobian of its step. In the middle and on the right, how much a small change of the first state
grows or shrinks over a sequence, of networks at their initial parameters, over ε σ_w and γ/ε; the
input is a white bar as a picture of 28 x 28 pixels. It needs no data and no runs; where the table
`trainability` lies in its folder, the accuracies of that are written on the maps.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.dynamics import SCHEMES, Coefficients, Scheme, make_cell
from asrnn.dynamics.stability import largest_lyapunov_exponent, step_jacobian
from asrnn.files import replacing, write_atomically
from asrnn.paper.table_results import read_results
from asrnn.typing import Array

STEP_SIZE = 0.1  # ε; σ_w and γ follow from the axes
INPUT_SCALE = 0.2
GATE_BIAS = 1.0
HIDDEN_SIZE = 64  # n
CELLS = ("antisymmetric", "gated_antisymmetric")
SHOWN = ("euler", "midpoint", "rk4", "ab2", "backward_euler", "implicit_midpoint")
SPEEDS = np.geomspace(0.005, 1.0, 25)
"""ε σ_w: half the largest angle, in radians, by which a step turns a mode."""
DIFFUSIONS = np.geomspace(0.01, 10.0, 25)
"""γ/ε."""
EXTENT = 12.0
"""Of the colours, in powers of ten."""


class Rotation(NamedTuple):
    """h' = ω h turned by a right angle: one pair of modes ± iω."""

    omega: float

    def __call__(self, h: Array, x: Array) -> Array:
        """The field at h `[1, 2]`."""
        del x
        return h @ jnp.array([[0.0, -self.omega], [self.omega, 0.0]])


def growth(name: str, angles: np.ndarray) -> np.ndarray:
    """|R(iy)| of a scheme for some angles y = εω: the spectral radius of its step's Jacobian."""
    scheme: Scheme = SCHEMES[name]
    solver = {"solver": "newton", "tolerance": 1e-10, "max_iterations": 3}
    values = solver if scheme.failures is not None else {}
    x = jnp.zeros((1, 1))

    @jax.jit
    def jacobian(step_size: Array) -> Array:
        step = scheme.step(Rotation(1.0), step_size, **values)
        # Of a scheme that remembers a step, the first is another one.
        return step_jacobian(step, step(scheme.start(jnp.ones((1, 2))), x), x)

    return np.array([np.abs(np.linalg.eigvals(jacobian(y))).max() for y in angles])


def growth_over_sequence(cell_name: str, speeds: np.ndarray, diffusions: np.ndarray) -> np.ndarray:
    """log10 of the growth of a random direction over the bar: `[γ/ε, ε σ_w]`."""
    cell = make_cell(cell_name)
    gate = {"gate_bias": GATE_BIAS} if cell_name == "gated_antisymmetric" else {}
    inputs = jnp.asarray(bar())[:, None]

    def exponent(speed: Array, diffusion: Array) -> Array:
        params = cell.init(
            jax.random.key(0),
            1,
            HIDDEN_SIZE,
            init_scale=speed / STEP_SIZE,
            input_scale=INPUT_SCALE,
            **gate,
        )
        step = cell.prepare(params, Coefficients(STEP_SIZE, diffusion * STEP_SIZE))
        return largest_lyapunov_exponent(step, cell.initial_carry(params, 1), inputs)

    grid = jax.jit(jax.vmap(jax.vmap(exponent, (0, None)), (None, 0)))
    per_step = np.asarray(grid(jnp.asarray(speeds), jnp.asarray(diffusions)))
    grown: np.ndarray = len(inputs) * per_step / np.log(10)
    return grown


def bar() -> np.ndarray:
    """A white bar on black, pixel by pixel `[784, 1]`."""
    picture = np.zeros((28, 28))
    picture[4:24, 12:16] = 1.0
    return picture.reshape(784, 1)


def write_phase(out: Path, *, quick: bool) -> list[Path]:
    """Writes the numbers and draws them: phase.csv and phase.png.

    Args:
      out: the folder.
      quick: few points, in files of their own.
    """
    every = 8 if quick else 1
    speeds, diffusions = SPEEDS[::every], DIFFUSIONS[::every]
    angles = np.linspace(0.02, 1.6, 5 if quick else 60)
    with jax.enable_x64(True):
        curves = {name: growth(name, angles) for name in SHOWN}
        maps = {name: growth_over_sequence(name, speeds, diffusions) for name in CELLS}
    stem = out / ("phase-quick" if quick else "phase")
    table, image = stem.with_suffix(".csv"), stem.with_suffix(".png")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["what", "x", "y", "value"])
    measured = accuracies(out)
    writer.writerows(_rows(angles, curves, speeds, diffusions, maps))
    for name, points in measured.items():
        writer.writerows([f"{name}, test accuracy in %", *point] for point in points)
    write_atomically(table, text.getvalue())
    figure = _draw(angles, curves, speeds, diffusions, maps, measured)
    with replacing(image) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return [image, table]


Measured = dict[str, list[tuple[float, float, float]]]
"""By cell, ε σ_w, γ/ε and the test accuracy in %; NaN of a run that diverged."""


def accuracies(out: Path) -> Measured:
    """What the table `trainability` measured.

    Args:
      out: the folder of the table; one without it has no accuracies.

    Raises:
      CheckpointError: if the table is damaged.
    """
    found: Measured = {name: [] for name in CELLS}
    for row in read_results(out / "trainability.json").values():
        if row["mean"] is not None or row["diverged"]:
            values = row["settings"]
            speed = values["model.step_size"] * values["model.init_scale"]
            diffusion = values["model.diffusion"] / values["model.step_size"]
            accuracy = np.nan if row["mean"] is None else row["mean"]
            found[row["cell"]].append((speed, diffusion, accuracy))
    return found


def _rows(
    angles: np.ndarray,
    curves: dict[str, np.ndarray],
    speeds: np.ndarray,
    diffusions: np.ndarray,
    maps: dict[str, np.ndarray],
) -> Iterator[list[Any]]:
    for name, values in curves.items():
        for y, value in zip(angles, values, strict=True):
            yield [name, f"{y:.4g}", "", f"{value:.6g}"]
    for name, found in maps.items():
        for diffusion, row in zip(diffusions, found, strict=True):
            for speed, value in zip(speeds, row, strict=True):
                yield [name, f"{speed:.4g}", f"{diffusion:.4g}", f"{value:.4g}"]


def _draw(
    angles: np.ndarray,
    curves: dict[str, np.ndarray],
    speeds: np.ndarray,
    diffusions: np.ndarray,
    maps: dict[str, np.ndarray],
    measured: Measured,
) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.6), layout="constrained")
    left, *others = figure.subplots(1, 1 + len(maps))
    for name, values in curves.items():
        left.plot(angles, values, "--" if "implicit" in name else "-", label=name)
    left.axhline(1.0, color="#999999", linewidth=0.8)
    left.set(
        xlabel="angle of a mode in a step, y = εω",
        ylabel="growth of the mode in a step, |R(iy)|",
        ylim=(0.5, 1.6),
        title="schemes, γ = 0",
    )
    left.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=8)
    for axis, (name, found) in zip(others, maps.items(), strict=True):
        shown = np.clip(found, -EXTENT, EXTENT)
        colours = axis.pcolormesh(
            speeds, diffusions, shown, cmap="RdBu_r", vmin=-EXTENT, vmax=EXTENT, shading="nearest"
        )
        axis.contour(speeds, diffusions, found, levels=[0.0], colors="k", linewidths=1)
        axis.plot(speeds, 2 * speeds**2 / STEP_SIZE**2, "k:", label="γ = εω²/2, ω = 2σ_w")
        axis.set(xscale="log", yscale="log", xlim=speeds[[0, -1]], ylim=diffusions[[0, -1]])
        axis.set(xlabel="ε σ_w", ylabel="γ/ε", title=f"{name}, Euler, T = 784")
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.85, "linewidth": 0.0}
        for speed, diffusion, accuracy in measured[name]:
            text = "×" if np.isnan(accuracy) else f"{accuracy:.0f}"
            axis.text(speed, diffusion, text, ha="center", va="center", fontsize=8, bbox=box)
    others[0].legend(loc="lower right", fontsize=8)
    label = "log10 of the growth of a random direction"
    figure.colorbar(colours, ax=others, label=label)
    return figure
