"""The engines by name."""

from asrnn.sweeps import local, population, ray_engine
from asrnn.sweeps.sweep import Engine
from asrnn.training import devices


def make_engine(
    name: str, *, workers: int | None, population_size: int, ray_address: str, ray_gpus: float
) -> Engine:
    """The engine local, population or ray, with those of the settings that it has a use for.

    Raises:
      ConfigError: if Ray is asked for and missing.
    """
    if name == "population":
        devices.configure_jax()  # this process is the one that trains
        return lambda jobs, watch: population.run(
            jobs, population_size=population_size, watch=watch
        )
    if name == "ray":
        ray_engine.check_installed()
        return lambda jobs, watch: ray_engine.run(
            jobs, address=ray_address, workers=workers, gpus=ray_gpus, watch=watch
        )
    return lambda jobs, watch: local.run(jobs, workers=workers or 1, watch=watch)
