"""Trains a network from a config file, or goes on where the same command stopped.

python -m asrnn.train --config=mnist[:variant]|FILE.py[:variant] [--workdir=DIR]
                      [--config.model.hidden_size=64 ...] [--dry_run]
                      [--distributed [--coordinator_address=HOST:PORT
                       --num_processes=N --process_id=I]]
"""

from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from asrnn.command import define_config_flag, goes_only, loading, read_config_flag, run
from asrnn.config import check_config, default_workdir, flatten, to_json
from asrnn.errors import CheckpointError, ConfigError
from asrnn.pretrained import check_network
from asrnn.runs.workdir import anything_trained, finished

CONFIG = define_config_flag()
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; by default runs/<task>-<cell>-<hash of the config>."
)
DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Print the resolved config and the parameters, and stop."
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Train together with other processes; see docs/distributed.md."
)
COORDINATOR_ADDRESS = flags.DEFINE_string(
    "coordinator_address", None, "With --distributed: HOST:PORT where process 0 listens."
)
NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "With --distributed: how many processes there are."
)
PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "With --distributed: which of them this is, from 0."
)


def main() -> None:
    """Reads the flags and trains."""
    config = read_config_flag(CONFIG)
    check_config(config)
    own = (COORDINATOR_ADDRESS, NUM_PROCESSES, PROCESS_ID)
    goes_only("with --distributed", bool(DISTRIBUTED.value), *own)
    workdir = Path(WORKDIR.value) if WORKDIR.value else default_workdir(config)
    if not DRY_RUN.value and not DISTRIBUTED.value and (summary := finished(workdir, config)):
        show(summary, config, workdir)
        return
    if config.training.init_from and not anything_trained(workdir):
        _check_source(config.training.init_from)
    loading("jax")
    from asrnn.training.devices import configure_jax, start_jax
    from asrnn.training.experiment import make_experiment, parameter_shapes, parameter_table
    from asrnn.training.loop import train
    from asrnn.training.processes import is_first, join
    from asrnn.training.saved import at_the_start

    configure_jax(alone=not DISTRIBUTED.value or DRY_RUN.value)
    if DRY_RUN.value:
        shapes = parameter_shapes(config)
        if config.training.init_from:
            at_the_start(make_experiment(config), workdir)
        print(to_json(config), parameter_table(shapes), sep="\n")
        return
    if DISTRIBUTED.value:
        join(COORDINATOR_ADDRESS.value, NUM_PROCESSES.value, PROCESS_ID.value)
        start_jax()
    summary = train(config, workdir)
    if is_first():
        show(summary, config, workdir)


def _check_source(network: str) -> None:
    """Looks for the network before jax is loaded; its parameters are compared later."""
    try:
        check_network(network)
    except ConfigError as error:
        raise ConfigError(f"config.training.init_from: {error}") from None


def show(summary: dict[str, Any], config: ConfigDict, workdir: Path) -> None:
    """Prints what came out, and draws the learning curve unless it is there."""
    from asrnn.objectives import objective_of
    from asrnn.reports.closing_tables import summary_table
    from asrnn.reports.learning_curve import draw_learning_curve, drawn

    objective = objective_of(flatten(config.to_dict()))
    print(summary_table(summary, objective))
    try:
        curve = drawn(workdir) or draw_learning_curve(workdir, objective)
        print(f"{'learning curve':<20} {curve}")
    except OSError as error:
        raise CheckpointError(f"cannot draw the learning curve: {error}") from None
    print(f"{'workdir':<20} {workdir}")


if __name__ == "__main__":
    run(main)
