"""From a config to the parts of a run: task, model, parameters, hyper-parameters."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from asrnn.config import flatten, section_values
from asrnn.dynamics import CELLS, SCHEMES, MapCell
from asrnn.errors import check_choice
from asrnn.models import SequenceNetwork
from asrnn.objectives import Objective, objective_of
from asrnn.options import Use, values_of
from asrnn.recurrence import (
    BACKENDS,
    FORMER_NAMES,
    check_reversible,
    check_rounding,
    choose_backend,
)
from asrnn.tasks import Task, check_fits, make_task
from asrnn.training.devices import batch_mesh
from asrnn.training.examples import KeyPurpose, purpose_key
from asrnn.training.step import Hyperparameters, Model, Snapshot, initial_snapshot


class Experiment(NamedTuple):
    """All of a run but its data and its workdir."""

    config: ConfigDict
    task: Task
    objective: Objective
    model: Model
    initial_params: Any
    hyper: Hyperparameters
    settings: dict[str, Any]
    """The optimizer section, `steps`, `accumulate` and `readout_dropout`: what the update is
    compiled for."""
    note: str | None
    """A line for the user about the backend, if there is something to say."""
    init_from: dict[str, Any] | None = None
    """Whose parameters the initial ones are, unless drawn: `network`, `step` and `sha256`."""

    def key(self, purpose: KeyPurpose) -> jax.Array:
        """The key of one of the random streams of this run."""
        return purpose_key(self.config.seed, purpose)

    def initial_snapshot(self) -> Snapshot:
        """The state before the first update; its arrays are copies, as updates consume them."""
        params = jax.tree.map(jnp.copy, self.initial_params)
        return initial_snapshot(params, self.hyper, self.settings, self.objective)


def make_experiment(config: ConfigDict) -> Experiment:
    """Builds the parts that a config names.

    Args:
      config: checked, as `asrnn.config.check_config` does.

    Raises:
      ConfigError: for parts that do not fit each other.
      DataError: if the data decide the shapes, and cannot be read.
    """
    task, objective = task_of(config), objective_with_values(config)
    check_fits(task, objective, config.model.readout)
    settings = config.optimizer.to_dict() | {
        "steps": config.training.steps,
        "accumulate": config.training.accumulate,
        "readout_dropout": config.model.readout_dropout,
    }
    coefficients = _floats(section_values(config, "model", Use.RUN_TIME))
    readout_dropout = coefficients.pop("readout_dropout")
    hyper = Hyperparameters(
        coefficients,
        _floats(section_values(config, "optimizer", Use.RUN_TIME)),
        _floats(section_values(config, "objective", Use.RUN_TIME)),
        readout_dropout,
    )
    module = SequenceNetwork(
        config.model.cell,
        task.input_size,
        config.model.hidden_size,
        task.output_size,
        num_layers=config.model.num_layers,
        readout=config.model.readout,
        discretization=config.model.discretization,
        scheme_values=_scheme_values(config),
        initial=section_values(config, "model", Use.INITIAL),
        rngs=nnx.Rngs(params=purpose_key(config.seed, KeyPurpose.INIT)),
    )
    graphdef, split = nnx.split(module)
    params = nnx.to_pure_dict(split)
    recurrence = config.recurrence.to_dict()
    choice = choose_backend(
        config.recurrence.backend, module.cell, params["recurrent"], config.recurrence.precision
    )
    check_rounding(config.recurrence.precision, config.recurrence.remat, jnp.float32)
    if config.recurrence.remat == "reverse":
        check_reversible(module.cell, hyper.coefficients)
    training = config.training
    mesh = batch_mesh(training.batch_size, choice.backend, training.accumulate)
    chosen = {"backend": choice.backend, "precision": choice.precision}
    model = Model(graphdef, recurrence | chosen, mesh)
    return Experiment(config, task, objective, model, params, hyper, settings, choice.note)


def _scheme_values(config: ConfigDict) -> dict[str, Any]:
    """The values of the scheme's options; none for a cell that no scheme steps."""
    if isinstance(CELLS.get(config.model.cell), MapCell):
        return {}
    return values_of(SCHEMES[config.model.discretization], config.model)


def _floats(values: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) for name, value in values.items()}


def parameter_shapes(config: ConfigDict) -> Any:
    """The parameters of a config as shapes and dtypes; allocates none, however many there are.

    Raises:
      ConfigError: for a field that cannot be used.
    """
    backend = FORMER_NAMES.get(config.recurrence.backend, config.recurrence.backend)
    check_choice("recurrence.backend", backend, ("auto", *BACKENDS))
    scan = ConfigDict(config.to_dict())
    scan.recurrence.backend = "scan"  # it has the same parameters, and needs no matrix to be chosen
    return jax.eval_shape(lambda: make_experiment(scan).initial_params)


def objective_with_values(config: ConfigDict) -> Objective:
    """The objective that a config names; its options that the update is compiled for have values.

    Raises:
      ConfigError: if there is no such objective.
    """
    objective = objective_of(flatten(config.to_dict()))
    static = section_values(config, "objective", Use.STATIC)
    static.pop("name", None)
    return replace(objective, terms=partial(objective.terms, **static)) if static else objective


def task_of(config: ConfigDict) -> Task:
    """The task that a config names.

    Raises:
      ConfigError: if there is no such task.
    """
    fields = config.task.to_dict()
    return make_task(fields.pop("name"), seed=config.seed, **fields)


def parameter_table(params: Any) -> str:
    """A table of all parameters: name, shape, number of entries, and the total."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    rows = [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf.shape, leaf.size)
        for path, leaf in leaves
    ]
    rows.append(("total", "", sum(size for _, _, size in rows)))
    return "\n".join(f"{name:<32}{shape!s:<16}{size:>12,}" for name, shape, size in rows)
