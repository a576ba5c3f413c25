"""What `--dry_run` does with a sweep: builds every trial, and trains none."""

from asrnn.errors import ConfigError
from asrnn.sweeps.sweep import Sweep, check_sweep
from asrnn.sweeps.trials import make_job
from asrnn.training.experiment import make_experiment


def rehearse(sweep: Sweep) -> None:
    """Checks each trial as its own run would check itself before it reads the data.

    Raises:
      ConfigError: for the first trial that cannot be run.
    """
    check_sweep(sweep)
    for trial in sweep.trials:
        try:
            make_experiment(make_job(sweep.config, trial, sweep.folder).config)
        except ConfigError as error:
            raise ConfigError(f"trial {trial.id}: {error}") from None
