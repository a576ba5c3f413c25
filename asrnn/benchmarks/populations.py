"""Populations against the same members one by one: the time of one update of one member.

Both are the programs of training itself, with as many updates in a dispatch as training
would put there. Members differ in seed, learning rate and step size.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from asrnn.benchmarks.cases import TRAIN_STEP, Case, Workload
from asrnn.benchmarks.dispatches import paced
from asrnn.benchmarks.rows import Row, make_row
from asrnn.benchmarks.system import Prepared, compiled
from asrnn.benchmarks.timing import interleaved
from asrnn.benchmarks.training_steps import images_of, random_examples, train_step_config
from asrnn.tasks import DataSet, batch_indices
from asrnn.training import dispatch_size
from asrnn.training.devices import replicated
from asrnn.training.examples import KeyPurpose, place_examples
from asrnn.training.experiment import make_experiment
from asrnn.training.members import make_program, place_members, place_parts, place_stacked
from asrnn.training.step import make_train_steps


def measure_population(
    case: Case, cell: str, backends: Sequence[str], sizes: Sequence[int], repeats: int
) -> list[Row]:
    """The rows of a case: each backend alone and in populations of these sizes, in turns."""
    workload = Workload(case, cell, TRAIN_STEP)
    prepared: dict[tuple[str, int], Prepared] = {}
    for backend in backends:
        prepared[backend, 1] = _prepare_alone(backend, workload)
        for size in sizes:
            prepared[backend, size] = _prepare_population(backend, workload, size)
    of_cores: dict[tuple[str, int], list[float]] = {key: [] for key in prepared}
    runs = {key: _noting_cpu(ready.run, of_cores[key]) for key, ready in prepared.items()}
    seconds = interleaved(runs, repeats)
    rows = []
    for (backend, size), ready in prepared.items():
        counted = of_cores[backend, size][-repeats:]
        row = make_row(workload, backend, ready, seconds[backend, size])
        rows.append(row | {"cpu_ms": round(1000 * median(counted) / ready.repetitions, 4)})
    return rows


def _noting_cpu(run: Callable[[], Any], seconds: list[float]) -> Callable[[], Any]:
    """Records the CPU time of a run over all cores, which is its cost on a busy machine."""

    def noted() -> Any:
        began = time.process_time()
        result = run()
        seconds.append(time.process_time() - began)
        return result

    return noted


def _prepare_alone(backend: str, workload: Workload) -> Prepared:
    experiment = make_experiment(_config(backend, workload, 0))
    everywhere = replicated(experiment.model.mesh)
    examples = jax.device_put(
        place_examples(experiment.task, _data(workload), 0, 0).train, everywhere
    )
    state, window = jax.device_put(experiment.initial_snapshot(), everywhere)
    indices = jax.device_put(_batches(workload, 0), everywhere)
    key = experiment.key(KeyPurpose.TRAINING_NOISE)
    parts = (experiment.model, experiment.task, experiment.objective)
    train_steps = make_train_steps(*parts, experiment.settings)
    rest = (window, experiment.hyper, examples, indices)
    executable, seconds = compiled(train_steps, state, *rest, 1, key)

    def dispatch(count: int) -> Any:
        nonlocal state
        state, done = jax.block_until_ready(executable(state, *rest, count, key))
        return done

    return paced(dispatch, 1, seconds, experiment.model.mesh.size)


def _prepare_population(backend: str, workload: Workload, size: int) -> Prepared:
    experiments = [make_experiment(_config(backend, workload, i)) for i in range(size)]
    program, task = make_program(experiments[0], size), experiments[0].task
    examples = place_parts(task, _data(workload), 0, range(size), program.mesh).train
    snapshots = [experiment.initial_snapshot() for experiment in experiments]
    state, window = place_members(snapshots, program.mesh)
    hyper = place_members([experiment.hyper for experiment in experiments], program.mesh)
    keys = [experiment.key(KeyPurpose.TRAINING_NOISE) for experiment in experiments]
    key = place_members(keys, program.mesh)
    batches = np.stack([_batches(workload, i) for i in range(size)])
    rest = (window, hyper, examples, place_stacked(batches, program.mesh))
    everyone = np.ones(size, np.int32)
    executable, seconds = compiled(program.train_steps, state, *rest, everyone, key)

    def dispatch(count: int) -> Any:
        nonlocal state
        state, done = jax.block_until_ready(executable(state, *rest, count * everyone, key))
        return done

    return paced(dispatch, size, seconds, program.mesh.size)


def _config(backend: str, workload: Workload, index: int) -> ConfigDict:
    config = train_step_config(backend, workload)
    config.seed = index
    config.model.step_size *= 1 + index / 100
    config.optimizer.learning_rate *= 1 / (1 + index / 10)
    return config


def _data(workload: Workload) -> DataSet:
    examples = random_examples(images_of(workload))
    return DataSet(examples, examples, "random")


def _batches(workload: Workload, seed: int) -> np.ndarray:
    number, size = images_of(workload).number, workload.case.shape.B
    return batch_indices(seed, 0, dispatch_size.MAX_STEPS, number, size)
