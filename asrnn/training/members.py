"""The device side of a population: many runs as one program, a leading axis its members.

What `asrnn.training.step` does for one run is mapped over the members. They share the
images; everything else is each one's own: parameters, hyper-parameters, key, batches, and
which images are its training and validation part. A member whose loss or gradient is not
finite stands still, and no other notices.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from asrnn.tasks import ImageSet, split_validation
from asrnn.training.devices import BATCH, batch_mesh, replicated
from asrnn.training.examples import Examples, Parts
from asrnn.training.experiment import Experiment
from asrnn.training.step import (
    Counts,
    TrainState,
    Window,
    eval_step_function,
    train_steps_function,
)

SHARED_IMAGES: Any = Examples(None, None, 0)  # type: ignore[arg-type]
"""The axes of a population's examples: one set of images, rows for each member."""


class Program(NamedTuple):
    """The compiled functions for populations of one size.

    They are those of `asrnn.training.step` with a leading axis in every argument but the
    images and labels, and in evaluation the batch, which are the same for all members.
    """

    train_steps: Callable[..., tuple[TrainState, Window]]
    eval_step: Callable[..., Counts]
    mesh: Mesh


def make_program(experiment: Experiment, size: int) -> Program:
    """The program of the populations of `size` runs like that of `experiment`.

    Whole members are shared out to the devices, as many as divide them. So a batch is on one
    device, and no device waits for another.
    """
    mesh = batch_mesh(size, experiment.model.recurrence["backend"])
    alone = Mesh(mesh.devices[:1], (BATCH,), axis_types=(AxisType.Auto,))
    model = experiment.model._replace(mesh=alone)
    sequence = experiment.task.sequence
    train_axes = (0, 0, 0, SHARED_IMAGES, 0, 0, 0)
    eval_axes = (0, 0, SHARED_IMAGES, None, None, 0)
    train_steps = train_steps_function(model, sequence, experiment.settings)
    return Program(
        jax.jit(
            _over_members(train_steps, train_axes, mesh),
            donate_argnums=0,
            out_shardings=_of_members(mesh),  # what it returns, it is given again
        ),
        jax.jit(_over_members(eval_step_function(model, sequence), eval_axes, mesh)),
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


def place_parts(images: ImageSet, validation_size: int, seeds: Sequence[int], mesh: Mesh) -> Parts:
    """The parts of all members; every image is on a device once.

    Raises:
      ConfigError: if nothing would be left to train on.
    """
    number = len(images.train.labels)
    train, validation = zip(
        *(split_validation(number, validation_size, seed) for seed in seeds), strict=True
    )
    everything = [np.arange(len(images.test.labels), dtype=np.int32)] * len(seeds)
    shared = replicated(mesh)
    trained = jax.device_put((images.train.images, images.train.labels), shared)
    tested = jax.device_put((images.test.images, images.test.labels), shared)
    return Parts(
        Examples(trained[0], trained[1], place_members(train, mesh)),
        Examples(trained[0], trained[1], place_members(validation, mesh))
        if validation_size
        else None,
        Examples(tested[0], tested[1], place_members(everything, mesh)),
    )


def member(tree: Any, index: int) -> Any:
    """One member of a stacked pytree that is on the host."""
    return jax.tree.map(lambda leaf: jnp.array(leaf[index]), tree)
