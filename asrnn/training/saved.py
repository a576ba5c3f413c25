"""Trained parameters on disk, in a workdir or with the package: read, or started from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from asrnn import pretrained
from asrnn.config import changed, check_config, fields_of
from asrnn.console import to_stderr
from asrnn.dynamics import SCHEMES
from asrnn.errors import AsrnnError, CheckpointError, ConfigError, check_choice
from asrnn.options import Use, union
from asrnn.runs.checkpoints import Checkpoints, flat_leaves
from asrnn.runs.provenance import sha256_of
from asrnn.runs.summary import DONE, read_summary
from asrnn.runs.workdir import CHECKPOINTS, CONFIG, TRIALS, read_config
from asrnn.tasks import Resident
from asrnn.tasks.paths import user_path
from asrnn.training.experiment import Experiment, make_experiment

INIT_FROM = "config.training.init_from"


class Trained(NamedTuple):
    """The parts of a run, and the parameters that it is judged by."""

    experiment: Experiment
    params: Any
    step: int
    """The update after which the parameters were these."""


def read_trained(workdir: Path, changes: Mapping[str, Any] | None = None) -> Trained:
    """The best checkpoint of a run; the latest one if there is no validation part or it is damaged.

    Args:
      workdir: the folder of the run.
      changes: as of `with_changes`.

    Raises:
      ConfigError: if the workdir is not one of a run, or a change cannot be made.
      CheckpointError: if there is no checkpoint, or all are damaged.
    """
    if (workdir / TRIALS).exists():
        trial = min(workdir.glob(f"*/{CHECKPOINTS}"), default=workdir / "ID/-").parent
        raise ConfigError(
            f"{workdir} is the folder of a sweep; name a trial of it: --workdir={trial}"
        )
    config = with_changes(read_config(workdir / CONFIG), changes or {})
    experiment = make_experiment(config)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, report=to_stderr)
    latest = checkpoints.latest(experiment.initial_snapshot())
    if latest is None:
        raise CheckpointError(f"no checkpoint in {workdir / CHECKPOINTS}; train first")
    best = latest.info["best"]["step"]
    chosen = None if best in (None, latest.step) else checkpoints.best(best, latest.tree)
    checkpoint = chosen or latest
    return Trained(experiment, checkpoint.tree.state.evaluated, checkpoint.step)


def with_changes(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
    """The config with the data from elsewhere, or the same ODE under another discretisation.

    Args:
      config: of a trained network; it stays as it is.
      changes: values by dotted name, of fields that leave the parameters what they are:
        `task.source`, `task.data_dir`, `model.discretization`, the options of schemes, and the
        cell's run-time scalars, `model.step_size` for example.

    Raises:
      ConfigError: for another field, or a config that is none.
    """
    of_schemes = [f"model.{name}" for name in union(SCHEMES.values())]
    run_time = [field for field in fields_of(Use.RUN_TIME) if field.startswith("model.")]
    allowed = ["task.source", "task.data_dir", "model.discretization", *of_schemes, *run_time]
    for field in changes:
        check_choice("what can be changed of a trained network", field, allowed)
    # Nothing is differentiated, so no scheme has to be one that can be undone.
    config = changed(config, {**changes, "recurrence.remat": "none"})
    check_config(config)
    return config


def read_pretrained(name: str, changes: Mapping[str, Any] | None = None) -> Trained:
    """A network that ships.

    Args:
      name: of the network.
      changes: as of `with_changes`.

    Raises:
      ConfigError: if there is none of that name, or a change cannot be made.
      CheckpointError: if its files are damaged.
    """
    found = pretrained.read(name)
    experiment = make_experiment(with_changes(found.config, changes or {}))
    expected = flat_leaves(experiment.initial_params)
    shapes = {key: (array.dtype, array.shape) for key, array in found.arrays.items()}
    if shapes != {key: (leaf.dtype, leaf.shape) for key, leaf in expected.items()}:
        raise CheckpointError(
            f"the arrays of the trained network {name} are not those of its config;"
            " install asrnn again"
        )
    leaves = [jnp.asarray(found.arrays[key]) for key in expected]
    params = jax.tree.unflatten(jax.tree.structure(experiment.initial_params), leaves)
    return Trained(experiment, params, found.facts["step"])


def find_trained(network: str | Path, changes: Mapping[str, Any] | None = None) -> Trained:
    """A network by the name of one that ships, else by its workdir; a Path is always a workdir.

    Raises:
      ConfigError: if there is neither, or a change cannot be made.
      CheckpointError: if its files are damaged.
    """
    if isinstance(network, str) and network in pretrained.names():
        return read_pretrained(network, changes)
    if isinstance(network, str):
        pretrained.check_network(network)
    return read_trained(Path(network).expanduser(), changes)


class Source(NamedTuple):
    """What `training.init_from` names."""

    arrays: dict[str, Any]
    """The parameters that it is judged by, by dotted name."""
    step: int
    config: ConfigDict


def read_source(given: str) -> Source:
    """The parameters of a workdir, or of a network that ships; its data and backend are not needed.

    Raises:
      ConfigError: if there is no such network, or it has not been trained.
      CheckpointError: if its files are damaged.
    """
    if given in pretrained.names():
        shipped = pretrained.read(given)
        return Source(shipped.arrays, shipped.facts["step"], shipped.config)
    pretrained.check_network(given)
    workdir = user_path(given, INIT_FROM)
    config = read_config(workdir / CONFIG)
    checkpoints = Checkpoints(workdir / CHECKPOINTS, report=to_stderr)
    if not checkpoints.steps():
        raise ConfigError(f"the run in {workdir} has no checkpoint yet; train it first")
    summary = read_summary(workdir)
    if summary is None or summary["status"] != DONE:
        to_stderr(f"{INIT_FROM}: the run in {workdir} is not finished; taking its best so far")
    found = checkpoints.arrays_to_judge()
    if found is None:
        raise CheckpointError(f"every checkpoint of {workdir} is damaged; give another network")
    step, leaves = found
    judged = "state.average." if config.optimizer.ema_decay else "state.params."
    arrays = {
        name.removeprefix(judged): leaf for name, leaf in leaves.items() if name.startswith(judged)
    }
    return Source(arrays, step, config)


def at_the_start(experiment: Experiment, workdir: Path) -> Experiment:
    """The experiment with the parameters that `training.init_from` names, if it names any.

    A run that has a checkpoint goes on from there, and the other network is not read again.

    Args:
      experiment: with initial parameters that were drawn.
      workdir: of the run.

    Raises:
      ConfigError: if there is no such network, or it is not one of the experiment's cell and sizes.
      CheckpointError: if its files are damaged.
    """
    given = experiment.config.training.init_from
    if not given or Checkpoints(workdir / CHECKPOINTS).steps():
        return experiment
    try:
        source = read_source(given)
    except AsrnnError as error:
        raise type(error)(f"{INIT_FROM}: {error}") from None
    expected = flat_leaves(experiment.initial_params)
    _check_alike(given, source, experiment.config, expected)
    _tell_of_known_examples(given, source.config, experiment)
    leaves = [jnp.asarray(source.arrays[name]) for name in expected]
    params = jax.tree.unflatten(jax.tree.structure(experiment.initial_params), leaves)
    digest = sha256_of(jax.device_get(source.arrays))
    origin = {"network": given, "step": source.step, "sha256": digest}
    return experiment._replace(initial_params=params, init_from=origin)


def _check_alike(
    given: str, source: Source, config: ConfigDict, expected: Mapping[str, Any]
) -> None:
    """Raises ConfigError unless the other network is of the same cell, shapes and dtypes."""
    cells = source.config.model.cell, config.model.cell
    differences = [f"its cell is {cells[0]}, not {cells[1]}"] if cells[0] != cells[1] else []
    for name in sorted(source.arrays.keys() | expected.keys()):
        there, here = (
            list(tree[name].shape) if name in tree else "absent"
            for tree in (source.arrays, expected)
        )
        if there != here:
            differences.append(f"{name} is {there} there and {here} here")
    if differences:
        raise ConfigError(
            f"{INIT_FROM}={given} is another network: {differences[0]}; give one with the same"
            " cell, sizes and layers"
        )


def _tell_of_known_examples(given: str, source: ConfigDict, experiment: Experiment) -> None:
    """Of other seeds, the validation part may be what the other network was trained on."""
    config = experiment.config
    parts = [(it.task.name, it.seed, it.task.validation_size) for it in (source, config)]
    same_data = parts[0][0] == parts[1][0] and isinstance(experiment.task.source, Resident)
    if same_data and config.task.validation_size and parts[0] != parts[1]:
        to_stderr(
            f"{INIT_FROM}: {given} may have been trained on examples that validate here: its seed"
            " or task.validation_size is another; only the test is of examples that it never saw"
        )
