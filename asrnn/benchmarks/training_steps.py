"""The project's own train step and evaluation step, on synthetic images of a task's size.

A train step is what `asrnn.training.loop` dispatches: batch gathered from the resident data,
loss, gradient, the paper's optimizer, sums for metrics.jsonl; several updates in a dispatch.
On an accelerator there are as many as training would put there, for a GPU makes an update in
less time than it takes to ask for one.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from asrnn.benchmarks.cases import TRAIN_STEP, Images, Workload
from asrnn.benchmarks.dispatches import made, paced
from asrnn.benchmarks.recurrences import backend_mesh
from asrnn.benchmarks.repetition import accelerated, repeated
from asrnn.benchmarks.system import Options, Prepared, compiled
from asrnn.config import base_config
from asrnn.tasks import TASKS, Data, batch_indices
from asrnn.training.devices import replicated
from asrnn.training.dispatch_size import MAX_STEPS
from asrnn.training.examples import Examples, KeyPurpose
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.step import empty_window, make_eval_step, make_train_steps

NUM_CLASSES = 10  # of each task
UPDATES = 3  # in a dispatch on a CPU; in case A they fill the quarter of a second it may last


def prepare_backend(backend: str, workload: Workload, options: Options | None = None) -> Prepared:
    """A train step or an evaluation step with a backend of `asrnn.unroll`; compiler options."""
    experiment = _experiment(backend, workload)
    everywhere = replicated(experiment.model.mesh)
    examples = jax.device_put(Examples(random_examples(images_of(workload))), everywhere)
    if workload.work == TRAIN_STEP:
        return _train_step(experiment, examples, everywhere, options)
    return _evaluation(experiment, examples, everywhere, options)


def train_step_config(backend: str, workload: Workload) -> ConfigDict:
    """The config of a run that makes such train steps."""
    size, task = workload.case.shape, images_of(workload).task
    config = base_config()
    config.task.name = task
    config.task.source = TASKS[task].sources[0]
    config.model.cell = workload.cell
    config.model.hidden_size = size.n
    config.recurrence.backend = backend
    config.training.batch_size = size.B
    return config


def images_of(workload: Workload) -> Images:
    """What a train step of a workload reads.

    Raises:
      ValueError: if its case has no images.
    """
    images = workload.case.images
    if images is None:
        raise ValueError(f"case {workload.case.name} has no images to train on")
    return images


def random_examples(images: Images) -> Data:
    """Random images and classes, as many and as large as those of a task."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images.number, *images.shape), np.uint8)
    return {"inputs": pixels, "targets": rng.integers(0, NUM_CLASSES, images.number, np.int32)}


def _experiment(backend: str, workload: Workload) -> Experiment:
    size = workload.case.shape
    experiment = make_experiment(train_step_config(backend, workload))
    if (experiment.task.length, experiment.task.input_size) != (size.T, size.m):
        raise ValueError(f"the images of case {workload.case.name} have another shape")
    mesh = backend_mesh(backend, size.B)
    return experiment._replace(model=experiment.model._replace(mesh=mesh))


def _train_step(
    experiment: Experiment, examples: Examples, everywhere: Any, options: Options | None
) -> Prepared:
    size = experiment.config.training.batch_size
    indices = batch_indices(0, 0, MAX_STEPS, examples.number, size)
    window = jax.device_put(empty_window(experiment.objective), everywhere)
    rest = (window, experiment.hyper, examples, indices)
    key = experiment.key(KeyPurpose.TRAINING_NOISE)
    state = jax.device_put(experiment.initial_snapshot().state, everywhere)
    parts = (experiment.model, experiment.task, experiment.objective)
    train_steps = make_train_steps(*parts, experiment.settings)
    executable, seconds = compiled(train_steps, state, *rest, UPDATES, key, options=options)

    def dispatch(count: int) -> Any:
        nonlocal state
        state, done = jax.block_until_ready(executable(state, *rest, count, key))
        return done

    devices = experiment.model.mesh.size
    if accelerated():
        return paced(dispatch, 1, seconds, devices)
    return Prepared(partial(made, dispatch, UPDATES), UPDATES, seconds, {"devices": devices})


def _evaluation(
    experiment: Experiment, examples: Examples, everywhere: Any, options: Options | None
) -> Prepared:
    size = experiment.config.training.batch_size
    args = (
        jax.device_put(experiment.initial_params, everywhere),
        experiment.hyper,
        examples,
        np.arange(size, dtype=np.int32),
        np.ones(size, np.bool_),
        experiment.key(KeyPurpose.EVALUATION_NOISE),
    )
    eval_step = make_eval_step(experiment.model, experiment.task, experiment.objective)
    executable, seconds = compiled(eval_step, *args, options=options)
    run, times = repeated(partial(executable, *args), jax.block_until_ready)
    return Prepared(run, times, seconds, {"devices": experiment.model.mesh.size})
