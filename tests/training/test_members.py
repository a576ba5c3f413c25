"""A population's program on the device: each member computes what its run would alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.tasks import DataSet
from asrnn.training.examples import KeyPurpose, place_examples
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.members import make_program, member, place_members, place_parts
from asrnn.training.step import make_eval_step, make_train_steps
from tests.training.runs import tiny_config

SEEDS = (3, 4, 4)
SIZE = len(SEEDS)


@pytest.fixture(scope="module")
def images() -> DataSet:
    data: DataSet = make_experiment(tiny_config()).task.source.load(lambda line: None)
    return data


def noisy(image_batch: jax.Array, keys: jax.Array) -> jax.Array:
    """Two time steps of an image's first pixel and noise of its key: [2, B, 1]."""
    noise = jax.vmap(lambda key: jax.random.normal(key, (1,)))(keys)
    return jax.numpy.stack([image_batch[:, 3, 3] / 16.0, noise])


@pytest.fixture(scope="module")
def experiments() -> list[Experiment]:
    """Runs whose examples draw noise, as those of noise-padded CIFAR-10 do."""
    found = []
    for i, seed in enumerate(SEEDS):
        rate = 0.1 * (i + 1)
        config = tiny_config(seed=seed, optimizer__learning_rate=rate, model__step_size=rate)
        experiment = make_experiment(config)
        source = dataclasses.replace(experiment.task.source, sequence=noisy)
        task = dataclasses.replace(experiment.task, source=source)
        found.append(experiment._replace(task=task))
    return found


def keys(experiments: list[Experiment], purpose: KeyPurpose, mesh: Any) -> Any:
    return place_members([experiment.key(purpose) for experiment in experiments], mesh)


def test_every_member_has_the_parts_of_its_seed_and_all_share_the_images(
    images: DataSet, experiments: list[Experiment]
) -> None:
    mesh = make_program(experiments[0], SIZE).mesh
    parts = place_parts(experiments[0].task, images, 100, SEEDS, mesh)
    assert parts.validation is not None
    for part in (parts.train, parts.validation):
        assert part.data["inputs"].shape == (1442, 8, 8, 1)
    assert (parts.train.number, parts.validation.number, parts.test.number) == (1342, 100, 355)
    for i, seed in enumerate(SEEDS):
        alone = place_examples(experiments[0].task, images, 100, seed)
        for part, expected in zip(parts, alone, strict=True):
            own = part._replace(rows=part.rows[i])
            for name, array in own.data.items():
                np.testing.assert_array_equal(array[own.rows], expected.data[name])


def test_no_validation_part_is_none_in_a_population_too(images: DataSet) -> None:
    experiment = make_experiment(tiny_config())
    mesh = make_program(experiment, SIZE).mesh
    assert place_parts(experiment.task, images, 0, SEEDS, mesh).validation is None


def test_members_evaluate_with_the_noise_of_their_runs(
    images: DataSet, experiments: list[Experiment]
) -> None:
    """An example's noise goes by its place in the part, not by its place among all images."""
    program = make_program(experiments[0], SIZE)
    parts = place_parts(experiments[0].task, images, 100, SEEDS, program.mesh)
    indices, mask = np.arange(50, 100, dtype=np.int32), np.ones(50, np.float32)
    counts = program.eval_step(
        place_members([e.initial_params for e in experiments], program.mesh),
        place_members([e.hyper for e in experiments], program.mesh),
        parts.validation,
        indices,
        mask,
        keys(experiments, KeyPurpose.EVALUATION_NOISE, program.mesh),
    )
    for i, experiment in enumerate(experiments):
        alone = make_eval_step(experiment.model, experiment.task, experiment.objective)(
            experiment.initial_params,
            experiment.hyper,
            place_examples(experiment.task, images, 100, SEEDS[i]).validation,
            indices,
            mask,
            experiment.key(KeyPurpose.EVALUATION_NOISE),
        )
        for name, total in alone.items():
            np.testing.assert_allclose(counts[name][i], total, rtol=1e-6)


@pytest.mark.slow
def test_members_train_with_their_own_batches_noise_and_counts(
    images: DataSet, experiments: list[Experiment]
) -> None:
    """Members that are not to move keep every bit, the others go as far as each one should."""
    program = make_program(experiments[0], SIZE)
    parts = place_parts(experiments[0].task, images, 100, SEEDS, program.mesh)
    snapshots = [experiment.initial_snapshot() for experiment in experiments]
    state, window = place_members(snapshots, program.mesh)
    batches = np.stack([np.arange(i, i + 30, dtype=np.int32).reshape(3, 10) for i in range(SIZE)])
    steps = (3, 0, 2)
    state, window = jax.device_get(
        program.train_steps(
            state,
            window,
            place_members([e.hyper for e in experiments], program.mesh),
            parts.train,
            batches,
            np.array(steps, np.int32),
            keys(experiments, KeyPurpose.TRAINING_NOISE, program.mesh),
        )
    )
    for i, experiment in enumerate(experiments):
        train_steps = make_train_steps(
            experiment.model, experiment.task, experiment.objective, experiment.settings
        )
        before = experiment.initial_snapshot()
        alone = train_steps(
            *before,
            experiment.hyper,
            place_examples(experiment.task, images, 100, SEEDS[i]).train,
            batches[i],
            steps[i],
            experiment.key(KeyPurpose.TRAINING_NOISE),
        )
        together = member((state, window), i)
        assert int(together[0].step) == steps[i]
        leaves = zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True)
        for one, other in leaves:
            assert one.shape == other.shape and one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
            if steps[i] == 0:
                np.testing.assert_array_equal(one, other)
