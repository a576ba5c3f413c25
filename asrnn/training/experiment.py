"""From a config to the parts of a run: task, model, parameters, hyper-parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from asrnn.config import base_config, check_config
from asrnn.dynamics import Coefficients
from asrnn.errors import check_choice
from asrnn.models import SequenceClassifier
from asrnn.recurrence import BACKENDS, choose_backend
from asrnn.tasks import TASKS, Task, make_task
from asrnn.training.devices import batch_mesh
from asrnn.training.optimizers import make_optimizer
from asrnn.training.step import Hyperparameters, KeyPurpose, Model, Snapshot, initial_snapshot

FLOAT_SETTINGS = [name for name, v in base_config().optimizer.items() if type(v) is float]


class Experiment(NamedTuple):
    """All of a run but its data and its workdir."""

    config: ConfigDict
    task: Task
    model: Model
    initial_params: Any
    hyper: Hyperparameters
    settings: dict[str, Any]
    """The optimizer section and `steps`: what the update is compiled for."""
    note: str | None
    """A line for the user about the backend, if there is something to say."""

    def key(self, purpose: KeyPurpose) -> jax.Array:
        """The key of one of the random streams of this run."""
        return jax.random.fold_in(jax.random.key(self.config.seed), purpose)

    def initial_snapshot(self) -> Snapshot:
        """The state before the first update; its arrays are copies, as updates consume them."""
        params = jax.tree.map(jnp.copy, self.initial_params)
        return initial_snapshot(params, self.hyper, self.settings)


def make_experiment(config: ConfigDict) -> Experiment:
    """Builds the parts that a config names; needs no data.

    Raises:
      ConfigError: for a field that cannot be used.
    """
    check_config(config)
    task = task_of(config)
    check_choice(f"task.source for {task.name}", config.task.source, TASKS[task.name].sources)
    settings = config.optimizer.to_dict() | {"steps": config.training.steps}
    hyper = Hyperparameters(
        Coefficients(float(config.model.step_size), float(config.model.diffusion)),
        {name: float(settings[name]) for name in FLOAT_SETTINGS},
    )
    make_optimizer(hyper.optimizer, settings)
    init_key = jax.random.fold_in(jax.random.key(config.seed), KeyPurpose.INIT)
    module = SequenceClassifier(
        config.model.cell,
        task.input_size,
        config.model.hidden_size,
        task.output_size,
        discretization=config.model.discretization,
        init_scale=config.model.init_scale,
        rngs=nnx.Rngs(params=init_key),
    )
    graphdef, split = nnx.split(module)
    params = nnx.to_pure_dict(split)
    choice = choose_backend(config.recurrence.backend, module.cell, params["recurrent"])
    recurrence = config.recurrence.to_dict() | {"backend": choice.backend}
    mesh = batch_mesh(config.training.batch_size, choice.backend)
    model = Model(graphdef, recurrence, mesh)
    return Experiment(config, task, model, params, hyper, settings, choice.note)


def parameter_shapes(config: ConfigDict) -> Any:
    """The parameters of a config as shapes and dtypes; allocates none, however many there are.

    Raises:
      ConfigError: for a field that cannot be used.
    """
    check_choice("recurrence.backend", config.recurrence.backend, ("auto", *BACKENDS))
    scan = ConfigDict(config.to_dict())
    scan.recurrence.backend = "scan"  # it has the same parameters, and needs no matrix to be chosen
    return jax.eval_shape(lambda: make_experiment(scan).initial_params)


def task_of(config: ConfigDict) -> Task:
    """The task that a config names.

    Raises:
      ConfigError: if there is no such task, or it cannot use a value.
    """
    frame = ("name", "source", "data_dir", "validation_size")
    values = {name: value for name, value in config.task.items() if name not in frame}
    return make_task(config.task.name, noise_seed=config.seed, **values)


def parameter_table(params: Any) -> str:
    """A table of all parameters: name, shape, number of entries, and the total."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    rows = [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf.shape, leaf.size)
        for path, leaf in leaves
    ]
    rows.append(("total", "", sum(size for _, _, size in rows)))
    return "\n".join(f"{name:<32}{shape!s:<16}{size:>12,}" for name, shape, size in rows)
