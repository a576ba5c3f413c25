"""The eigenvalues of the end-to-end Jacobian of a trained network, beside its initial ones.

The inputs are those of the task: a few examples of its test part. A network of several layers has
a curve for each: its Jacobian is block triangular, and the blocks on the diagonal are those of the
layers, each with the states of the one below as its inputs.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.console import to_stderr
from asrnn.dynamics.stability import (
    absolute_eigenvalues,
    end_to_end_jacobians,
    no_nudges,
    nudged_trajectory,
    over_examples,
)
from asrnn.models.network import arrays
from asrnn.paper.spectra import Point, write_points
from asrnn.training.examples import KeyPurpose, place_examples, take
from asrnn.training.saved import Trained, read_trained
from asrnn.typing import Array

EXAMPLES = 4
LARGEST = 1e140
"""Entries whose squares, in a standard deviation, a float can hold; a curve ends before them."""
POINTS = 50
"""About how many spectra along the sequence."""


def write_trained_spectra(out: Path, workdir: Path, data: Mapping[str, Any]) -> list[Path]:
    """Writes the numbers and draws them: spectra-NAME.csv and .png, NAME being the workdir's.

    Args:
      out: the folder that they are written to.
      workdir: that of a run with a checkpoint.
      data: the fields of its config that say where the data are, if others than it says.

    Raises:
      ConfigError: if the workdir is not one of a run.
      DataError: if the data are missing or damaged.
      CheckpointError: if there is no checkpoint that can be read.
    """
    trained = read_trained(workdir, data)
    config = trained.experiment.config
    when = "after" if config.training.init_from else "before and after"
    title = (
        f"{config.model.cell}, {config.model.hidden_size} units, on {EXAMPLES} test examples of"
        f" {config.task.name}, {when} training"
    )
    name = workdir.resolve().name
    return write_points(trained_spectra(trained), out / f"spectra-{name}", title)


def trained_spectra(trained: Trained) -> list[Point]:
    """Mean and standard deviation of |λ| over examples and eigenvalues, in double precision."""
    experiment = trained.experiment
    inputs = np.asarray(_test_inputs(trained), float)
    every = max(1, -(-len(inputs) // POINTS))
    coefficients = experiment.hyper.coefficients
    diffusion = coefficients.get("diffusion")
    times = [*range(every, len(inputs) + 1, every)]
    times += [len(inputs)] if times[-1] < len(inputs) else []
    points = []
    drawn = (
        {} if experiment.config.training.init_from else {"at the start": experiment.initial_params}
    )
    states = {
        **drawn,
        f"after {trained.step:,} updates": trained.params,
    }
    for when, params in states.items():
        for layer, jacobians in _jacobians(trained, params, inputs, every):
            name = f"{layer}{when}"
            gamma = None if diffusion is None else float(diffusion)
            points.append(Point(name, gamma, 0, 1.0, 0.0))
            for steps, several in zip(times, np.swapaxes(jacobians, 0, 1), strict=True):
                if not np.abs(several).max() < LARGEST:  # NaN neither
                    break
                sizes = np.array([absolute_eigenvalues(one) for one in several])
                points.append(Point(name, gamma, steps, float(sizes.mean()), float(sizes.std())))
    return points


def _test_inputs(trained: Trained) -> Array:
    """`[T, EXAMPLES, m]`, with the noise of an evaluation."""
    experiment = trained.experiment
    task, config = experiment.task, experiment.config
    data = task.source.load(to_stderr)
    part = place_examples(task, data, config.task.validation_size, config.seed).test
    indices = jnp.arange(min(EXAMPLES, part.number), dtype=jnp.int32)
    key = experiment.key(KeyPurpose.EVALUATION_NOISE)
    return take(task, part, indices, jax.vmap(jax.random.fold_in, (None, 0))(key, indices)).inputs


def _jacobians(
    trained: Trained, params: Any, inputs: np.ndarray, every: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The name of each layer, and its Jacobians `[B, K, N, N]`."""
    experiment = trained.experiment
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), params)
        network = experiment.model.network(exact)
        cell, reads = network.cell, jnp.asarray(inputs)
        for number, name in enumerate(network.layer_names, start=1):
            own = arrays(getattr(network, name))
            step = cell.prepare(own, experiment.hyper.coefficients)
            carry = cell.initial_carry(own, reads.shape[1])

            def jacobians(carry: Any, xs: Array, step: Any = step) -> Array:
                return end_to_end_jacobians(step, carry, xs, every=every)

            found = jax.jit(lambda carry, xs, of=jacobians: over_examples(of, carry, xs))
            label = f"layer {number}, " if network.num_layers > 1 else ""
            yield label, np.asarray(found(carry, reads))
            carries = nudged_trajectory(step, carry, reads, no_nudges(carry, len(reads)))
            reads = jax.vmap(cell.hidden)(carries)
