"""Runs or continues a set of trials and picks the best by validation.

python -m asrnn.sweep --config=mnist|FILE.py --space=mnist|FILE.py
                      [--rungs=500,1500 --reduction=3] [--workers=2]
                      [--search=optuna --trials=50 [--prune]] [--shard=0/4]
                      [--engine=ray --ray_address=HOST:PORT]
                      [--engine=population --population_size=32]
                      [--workdir=DIR] [--dry_run] [--config.seed=1 ...]
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from absl import flags

from asrnn import command
from asrnn.config import check_config
from asrnn.shipped import SPACES, find

CONFIG = command.define_config_flag()
SPACE = flags.DEFINE_string("space", None, "A space that ships, or a file with get_space(h).")
SPACE_SEED = flags.DEFINE_integer(
    "space_seed", 0, "Seed of the space's quasi-random points, or of the search."
)
SEARCH = flags.DEFINE_enum(
    "search", None, ["optuna"], "Adaptive search instead of all points of the space."
)
TRIALS = flags.DEFINE_integer("trials", 0, "Settings to search, each with all of its seeds.")
BATCH = flags.DEFINE_integer(
    "batch", 8, "Settings that a search proposes at a time, before any is scored."
)
PRUNE = flags.DEFINE_bool(
    "prune", False, "End a trial where it is worse than most of the batches before were."
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the sweep; by default runs/sweep-<task>-<space>-<hash>."
)
ENGINE = flags.DEFINE_enum("engine", "local", ["local", "population", "ray"], "What runs them.")
POPULATION_SIZE = flags.DEFINE_integer(
    "population_size", 32, "Trials that one program trains together, at most.", lower_bound=1
)
WORKERS = flags.DEFINE_integer(
    "workers", None, "Trials at a time: by default 1, or what Ray has room for.", lower_bound=1
)
RAY_ADDRESS = flags.DEFINE_string(
    "ray_address", "auto", "The Ray cluster: auto, host:port, or local to start one here."
)
RAY_GPUS = flags.DEFINE_float(
    "ray_gpus", 0.0, "The share of a GPU that a trial reserves on the cluster.", lower_bound=0.0
)
RUNGS = flags.DEFINE_list(
    "rungs", [], "Successive halving: steps after which only the best settings go on."
)
REDUCTION = flags.DEFINE_float("reduction", 3.0, "After a rung, one setting in this many goes on.")
SHARD = flags.DEFINE_string("shard", "0/1", "i/n: only every n-th trial, from the i-th on.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the trials and stop.")


def main() -> None:
    """Reads the flags and sweeps."""
    from asrnn.reports.closing_tables import sweep_table
    from asrnn.reports.sweep_figures import close_sweep
    from asrnn.sweeps.folder import TABLE, default_folder
    from asrnn.sweeps.halving import read_rungs
    from asrnn.sweeps.shard import read_shard
    from asrnn.sweeps.space import expand, scales
    from asrnn.sweeps.trials import distinct, make_trials
    from asrnn.sweeps.user_file import read_space

    command.goes_only("with --search", SEARCH.value is not None, TRIALS, BATCH, PRUNE)
    command.goes_only("with --rungs", bool(RUNGS.value), REDUCTION)
    command.goes_only("with --engine=population", ENGINE.value == "population", POPULATION_SIZE)
    command.goes_only("with --engine=ray", ENGINE.value == "ray", RAY_ADDRESS, RAY_GPUS)
    command.goes_only("with --engine=local or ray", ENGINE.value != "population", WORKERS)
    config = command.read_config_flag(CONFIG)
    check_config(config)
    path = Path(find(command.required(SPACE, "digits"), SPACES, "space"))
    rungs, shard, space = read_rungs(RUNGS.value), read_shard(SHARD.value), read_space(path)
    command.loading("jax")
    from asrnn.sweeps.adaptive import Search, check_search, first_trials, run_search
    from asrnn.sweeps.sweep import Sweep, dry_run, run_sweep
    from asrnn.training.devices import configure_jax

    if SEARCH.value:
        search = Search(space, TRIALS.value, BATCH.value, SPACE_SEED.value, prune=PRUNE.value)
        check_search(search, rungs, shard)
        trials = first_trials(search)
    else:
        trials = make_trials(expand(space, SPACE_SEED.value))
    trials = distinct(config, trials)
    folder = Path(WORKDIR.value) if WORKDIR.value else default_folder(config, path, trials)
    sweep = Sweep(config, trials, folder, rungs, REDUCTION.value, shard, scales(space))
    if DRY_RUN.value:
        configure_jax()
        if SEARCH.value and TRIALS.value < BATCH.value:
            trials = distinct(config, first_trials(search._replace(batch=TRIALS.value)))
        print(dry_run(sweep._replace(trials=trials), TRIALS.value or None))
        return
    with _engine() as engine:
        result = run_search(sweep, search, engine) if SEARCH.value else run_sweep(sweep, engine)
    print(sweep_table(result, command.train_command(CONFIG)))
    print("\n".join(close_sweep(folder / TABLE)))


def _engine() -> AbstractContextManager[Callable[..., None]]:
    from asrnn.sweeps.engines import make_engine

    return make_engine(
        ENGINE.value,
        workers=WORKERS.value,
        population_size=POPULATION_SIZE.value,
        ray_address=RAY_ADDRESS.value,
        ray_gpus=RAY_GPUS.value,
    )


if __name__ == "__main__":
    command.run(main)
