"""The device side of a population: many runs as one program, a leading axis its members.

What `asrnn.training.step` does for one run is mapped over the members. They share the
examples; everything else is each one's own: parameters, hyper-parameters, key, batches, and
which examples are its training and validation part. A member whose loss or gradient is not
finite stops updating; the others are unaffected.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from asrnn.tasks import Data, DataSet, Generated, Task, split_validation
from asrnn.training.devices import BATCH, batch_mesh, replicated
from asrnn.training.diagnostics import Diagnostics, diagnose_function
from asrnn.training.examples import Examples, Parts, check_validation, place_examples
from asrnn.training.experiment import Experiment
from asrnn.training.step import (
    Sums,
    TrainState,
    Window,
    eval_step_function,
    train_steps_function,
)

RESIDENT: Any = Examples(None, 0)  # type: ignore[arg-type]
"""The axes of a population's examples: one set of arrays, rows for each member."""
GENERATED: Any = Examples(0, 0)  # type: ignore[arg-type]
"""The axes where a key stands for the arrays: one for each member."""


class Program(NamedTuple):
    """The compiled functions for populations of one size.

    They are those of `asrnn.training.step` and `asrnn.training.diagnostics` with a leading axis in
    every argument but the arrays of examples, and in evaluation the batch, which are the same for
    all members.
    """

    train_steps: Callable[..., tuple[TrainState, Window]]
    eval_step: Callable[..., Sums]
    diagnose: Callable[..., Diagnostics]
    mesh: Mesh


def make_program(experiment: Experiment, size: int) -> Program:
    """The program of the populations of `size` runs like that of `experiment`.

    Whole members are shared out to the devices, as many as divide them. So a batch is on one
    device, and no device waits for another.
    """
    mesh = batch_mesh(size, experiment.model.recurrence["backend"])
    alone = Mesh(mesh.devices[:1], (BATCH,), axis_types=(AxisType.Auto,))
    model = experiment.model._replace(mesh=alone)
    task, objective = experiment.task, experiment.objective
    examples = GENERATED if isinstance(task.source, Generated) else RESIDENT
    train_axes = (0, 0, 0, examples, 0, 0, 0)
    eval_axes = (0, 0, examples, None, None, 0)
    diagnose_axes = (0, 0, examples, 0, 0)
    train_steps = train_steps_function(model, task, objective, experiment.settings)
    return Program(
        jax.jit(
            _over_members(train_steps, train_axes, mesh),
            donate_argnums=0,
            out_shardings=_of_members(mesh),  # what it returns, it is given again
        ),
        jax.jit(_over_members(eval_step_function(model, task, objective), eval_axes, mesh)),
        jax.jit(_over_members(diagnose_function(model, task, objective), diagnose_axes, mesh)),
        mesh,
    )


def _over_members(function: Callable[..., Any], axes: tuple[Any, ...], mesh: Mesh) -> Any:
    mapped = jax.vmap(function, axes)
    if mesh.size == 1:
        return mapped
    specs = jax.tree.map(_spec, axes, is_leaf=lambda axis: axis is None)
    members = PartitionSpec(BATCH)
    return jax.shard_map(mapped, mesh=mesh, in_specs=specs, out_specs=members, check_vma=False)


def _spec(axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(BATCH)


def place_members(trees: Sequence[Any], mesh: Mesh) -> Any:
    """Stacks one pytree of each member along a new leading axis and puts it on the devices."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(a) for a in leaves]), *trees)
    return place_stacked(stacked, mesh)


def place_stacked(tree: Any, mesh: Mesh) -> Any:
    """Puts a stacked pytree on the devices of its members."""
    return jax.device_put(tree, _of_members(mesh))


def _of_members(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(BATCH))


def place_parts(
    task: Task, data: DataSet, validation_size: int, seeds: Sequence[int], mesh: Mesh
) -> Parts:
    """The parts of all members; arrays are on a device once, whichever members read them.

    Raises:
      ConfigError: as `asrnn.training.examples.place_examples`.
    """
    if isinstance(task.source, Generated):
        own = [place_examples(task, data, validation_size, seed) for seed in seeds]
        parts: Parts = place_members(own, mesh)
        return parts
    check_validation(data, validation_size)
    train, validation = zip(
        *(split_validation(len(data.train["targets"]), validation_size, seed) for seed in seeds),
        strict=True,
    )
    shared = replicated(mesh)
    trained = jax.device_put(data.train, shared)

    def everywhere(part: Data) -> Examples:
        rows = [np.arange(len(part["targets"]), dtype=np.int32)] * len(seeds)
        return Examples(jax.device_put(part, shared), place_members(rows, mesh))

    held_out = None
    if data.validation is not None:
        held_out = everywhere(data.validation)
    elif validation_size:
        held_out = Examples(trained, place_members(validation, mesh))
    return Parts(Examples(trained, place_members(train, mesh)), held_out, everywhere(data.test))


def member(tree: Any, index: int) -> Any:
    """One member of a stacked pytree that is on the host."""
    return jax.tree.map(lambda leaf: jnp.array(leaf[index]), tree)
