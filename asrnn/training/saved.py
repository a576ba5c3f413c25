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
from asrnn.errors import CheckpointError, ConfigError, check_choice, near_miss
from asrnn.options import Use, union
from asrnn.runs.checkpoints import Checkpoints, flat_leaves
from asrnn.runs.provenance import sha256_of
from asrnn.runs.workdir import CHECKPOINTS, CONFIG, TRIALS, read_config
from asrnn.training.experiment import Experiment, make_experiment


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
    names, workdir = pretrained.names(), Path(network)
    if isinstance(network, str) and network in names:
        return read_pretrained(network, changes)
    if isinstance(network, str) and not workdir.is_dir():
        raise ConfigError(
            f"no folder {network}, and no trained network of that name ships with asrnn; these do:"
            f" {', '.join(names) or 'none'}{near_miss(str(network), names)}"
        )
    return read_trained(workdir, changes)


def at_the_start(experiment: Experiment, workdir: Path) -> Experiment:
    """The experiment with the parameters that `training.init_from` names, if it names any.

    A run that has a checkpoint goes on from there, and the other network is not read again.

    Args:
      experiment: with initial parameters that were drawn.
      workdir: of the run.

    Raises:
      ConfigError: if there is no such network, or its parameters are not those of the experiment.
      CheckpointError: if its files are damaged.
    """
    source = experiment.config.training.init_from
    if not source or Checkpoints(workdir / CHECKPOINTS).steps():
        return experiment
    try:
        trained = find_trained(source)
    except ConfigError as error:
        raise ConfigError(f"config.training.init_from: {error}") from None
    found, expected = flat_leaves(trained.params), flat_leaves(experiment.initial_params)
    for name in sorted(found.keys() | expected.keys()):
        shapes = [
            list(tree[name].shape) if name in tree else "absent" for tree in (found, expected)
        ]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"config.training.init_from={source} has another network: {name} is {shapes[0]}"
                f" there and {shapes[1]} here; give one with the same cell, sizes and layers"
            )
    origin = {"network": source, "step": trained.step, "sha256": sha256_of(jax.device_get(found))}
    leaves = [found[name] for name in expected]
    params = jax.tree.unflatten(jax.tree.structure(experiment.initial_params), leaves)
    return experiment._replace(initial_params=params, init_from=origin)
