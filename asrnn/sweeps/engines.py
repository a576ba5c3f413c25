"""The engines by name, and the one that needs no more than this machine."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asrnn.signals import StopRequest
from asrnn.sweeps import population, ray_engine
from asrnn.sweeps.pool import Pool
from asrnn.sweeps.process import Workers
from asrnn.sweeps.slots import make_slots, own_cores, visible_gpus
from asrnn.sweeps.trials import Engine, Job, Watch
from asrnn.training import devices


@contextmanager
def make_engine(
    name: str, *, workers: int | None, population_size: int, ray_address: str, ray_gpus: float
) -> Iterator[Engine]:
    """The engine local, population or ray, with those of the settings that it uses.

    The processes of the local one live as long as the context, so through all rungs and batches.

    Raises:
      ConfigError: if Ray is asked for and missing.
    """
    if name == "population":
        devices.configure_jax()  # this process is the one that trains
        yield lambda jobs, watch: population.run(jobs, population_size=population_size, watch=watch)
    elif name == "ray":
        ray_engine.check_installed()
        yield lambda jobs, watch: ray_engine.run(
            jobs, address=ray_address, workers=workers, gpus=ray_gpus, watch=watch
        )
    else:
        with local_engine(workers or 1) as engine:
            yield engine


@contextmanager
def local_engine(workers: int) -> Iterator[Engine]:
    """The local engine: `workers` processes on this machine, each with one trial at a time.

    Jobs that are finished stay as they are. A trial whose process is killed goes on from its
    last checkpoint, in a new process. What a trial says to stderr is in log.txt of its workdir.

    The engine raises:
      ConfigError, DataError, CheckpointError: as a trial; the others are stopped and saved.
      Interrupted: after a signal of `asrnn.signals.STOP_SIGNALS`; all trials are stopped and saved.
      AsrnnError: at the end, if the processes of a trial died again and again.
    """
    slots = make_slots(workers, own_cores(), visible_gpus(os.environ))
    with Workers() as processes:

        def run(jobs: Sequence[Job], watch: Watch) -> None:
            with StopRequest() as stop:
                Pool(jobs, slots, processes.start, watch, stop).run()

        yield run


def run_locally(jobs: Sequence[Job], *, workers: int, watch: Watch) -> None:
    """Brings jobs to their end by the local engine, whose processes end with the call.

    Raises:
      AsrnnError: as the engine.
    """
    with local_engine(workers) as engine:
        engine(jobs, watch)
