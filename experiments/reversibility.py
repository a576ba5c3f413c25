"""Memory and error of `remat=reverse`, over the length of the sequence.

  python experiments/reversibility.py --out=FILE.json [--figure=FILE.png]

The network is `hamiltonian` at its initial parameters: 128 units, batch 16, one input, uniform in
[0, 1], V times 0.2, σ_w = 1, γ = 0. The loss is the mean square of the last state.

* Memory: the peak of a process that computes the gradient twice, for each `remat`.
* Error: the gradient in K in float32, with states kept and with states taken back, against the one
  in float64; and how far the first state that is taken back is from the one that it was.
"""

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from asrnn import unroll
from asrnn.benchmarks.memory import own_peak_bytes
from asrnn.dynamics import Coefficients, OdeCell, make_cell

UNITS, BATCH = 128, 16
WAYS = (("symplectic_euler", "native"), ("leapfrog", "scan"))
REMATS = ("none", "segments", "reverse")
LENGTHS = (100, 784, 3_000, 12_500, 50_000)
STEP_SIZES = (0.02, 0.05, 0.2)


def main() -> None:
    """Parses the flags, measures, prints and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    memory = [
        {"scheme": scheme, "backend": backend, "remat": remat, "length": length}
        | {"peak_mib": round(in_a_process(peak, scheme, backend, remat, length) / 2**20)}
        for scheme, backend in WAYS
        for remat in REMATS
        for length in (784, 50_000)
    ]
    error = [
        {"step_size": step_size, "length": length}
        | in_a_process(errors, "leapfrog", step_size, length)
        for step_size in STEP_SIZES
        for length in LENGTHS
    ]
    for row in (*memory, *error):
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    found = {"units": UNITS, "batch": BATCH, "memory": memory, "error": error}
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    if given.figure is not None:
        draw(error, given.figure)


def in_a_process(function: Any, *arguments: Any) -> Any:
    """Calls a function in a new process, so that its peak is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def problem(scheme: str, length: int) -> tuple[OdeCell, dict[str, np.ndarray], np.ndarray]:
    """The cell, its parameters and inputs `[T, B, 1]` in float32."""
    cell = make_cell("hamiltonian", scheme)
    assert isinstance(cell, OdeCell)
    with jax.enable_x64(False):  # the same numbers, whatever they are computed in
        params = cell.init(jax.random.key(0), 1, UNITS, init_scale=1.0, input_scale=0.2)
    inputs = np.random.default_rng(0).uniform(size=(length, BATCH, 1)).astype(np.float32)
    return cell, jax.tree.map(np.asarray, params), inputs


def gradient(scheme: str, step_size: float, length: int, dtype: Any, **options: Any) -> np.ndarray:
    """∂loss/∂K."""
    cell, params, inputs = problem(scheme, length)

    def loss(params: Any, inputs: Any) -> Any:
        last, _ = unroll(cell, params, Coefficients(step_size, 0.0), inputs, **options)
        return jnp.mean(jnp.square(cell.hidden(last)))

    params, inputs = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (params, inputs))
    return np.asarray(jax.jit(jax.grad(loss))(params, inputs)["coupling"], np.float64)


def peak(scheme: str, backend: str, remat: str, length: int) -> int:
    """The peak bytes of this process after two gradients."""
    for _ in range(2):
        gradient(scheme, 0.2, length, jnp.float32, backend=backend, remat=remat)
    return own_peak_bytes()


def errors(scheme: str, step_size: float, length: int) -> dict[str, float]:
    """Relative errors of both gradients, and of the first state that is taken back."""
    find = partial(gradient, scheme, step_size, length, backend="scan")
    kept, reverse = find(jnp.float32), find(jnp.float32, remat="reverse")
    with jax.enable_x64(True):
        exact = find(jnp.float64)
    found = {
        "states_kept": relative(kept, exact),
        "states_taken_back": relative(reverse, exact),
        "first_state": first_state_error(scheme, step_size, length),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    """The error over the norm; NaN where the gradient left the range of float32."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def first_state_error(scheme: str, step_size: float, length: int) -> float:
    """|s_0 taken back - s_0| over |s_T|, in float32; s_0 = 0."""
    cell, params, inputs = problem(scheme, length)
    field = cell.field(params, Coefficients(step_size, 0.0))
    assert cell.scheme.inverse is not None
    step, back = cell.scheme.step(field, step_size), cell.scheme.inverse(field, step_size)

    @jax.jit
    def there_and_back(inputs: Any) -> Any:
        start = cell.initial_carry(params, BATCH)
        last, _ = lax.scan(lambda s, x: (step(s, x), None), start, inputs)
        first, _ = lax.scan(lambda s, x: (back(s, x), None), last, inputs, reverse=True)
        return jnp.linalg.norm(cell.hidden(first)) / jnp.linalg.norm(cell.hidden(last))

    return float(there_and_back(inputs))


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """The relative errors over T, one colour for each step size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for colour, step_size in enumerate(STEP_SIZES):
        own = [row for row in rows if row["step_size"] == step_size]
        lengths = [row["length"] for row in own]
        for name, line in (("states_kept", "--"), ("states_taken_back", "-")):
            label = f"ε = {step_size}, {name.replace('_', ' ')}"
            values = [row.get(name, np.nan) for row in own]
            axes.loglog(lengths, values, line, marker=".", color=f"C{colour}", label=label)
    axes.set_xlabel("T, steps")
    axes.set_ylabel("relative error of ∂loss/∂K, float32")
    axes.legend(fontsize="small", frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
