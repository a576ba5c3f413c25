"""The ray engine: each trial is a task of a Ray cluster, on whichever node has a core for it.

The nodes need the same asrnn and Python, and the workdirs on a disk that all of them share,
under the same path. What a task does is in `asrnn.sweeps.ray_task`.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    DivergedError,
    Interrupted,
    one_line,
)
from asrnn.signals import StopRequest
from asrnn.sweeps.pool import Pool
from asrnn.sweeps.ray_task import bring_to_its_end
from asrnn.sweeps.trials import Job, Watch, outcome

LOCAL = "local"
ANSWER = 30.0  # seconds that a cluster has to answer
VISIBLE = 90.0  # seconds until all nodes see a file; NFS remembers for a minute that one is missing
DEATHS = 20  # of the nodes below a trial, each of which Ray answers with another node
KILLED = -9  # for a task that Ray gave up


def check_installed() -> None:
    """Looks for Ray without the seconds that its import takes.

    Raises:
      ConfigError: if it is missing.
    """
    if find_spec("ray") is None:
        raise ConfigError("--engine=ray needs Ray; install it with pip install 'ray>=2.50,<3'")


def run(
    jobs: Sequence[Job], *, address: str, workers: int | None, gpus: float, watch: Watch
) -> None:
    """Brings the jobs to their end on a Ray cluster; those that are finished stay as they are.

    A trial whose node dies goes on from its last checkpoint on another one.

    Args:
      jobs: what to run.
      address: of the cluster: "auto", "host:port", or "local" to start one on this machine.
      workers: trials handed to Ray at a time; None for as many as the cluster has room for.
      gpus: what each trial reserves of a GPU; several trials share one if it is below 1.
      watch: is told.

    Raises:
      ConfigError: if no cluster answers, or its nodes cannot run asrnn.
      ConfigError, DataError, CheckpointError: as a trial; the others are stopped and saved.
      Interrupted: after a signal of `asrnn.signals.STOP_SIGNALS`; all trials are stopped and saved.
      AsrnnError: at the end, if the processes of a trial died again and again.
    """
    with StopRequest() as stop, _connected(address):
        stop.retake()  # Ray has replaced our handler with its own
        places = range(workers or _room(gpus))
        Pool(jobs, places, lambda job, place: _Task(job, gpus), watch, stop).run()


class _Task:
    """A trial's process in a Ray task, as a `Process` of the pool."""

    def __init__(self, job: Job, gpus: float):
        import ray

        self._job = job
        self._ended: float | None = None
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=DEATHS)(bring_to_its_end)
        self._ref = remote.remote(str(job.workdir), job.config.to_dict(), os.getcwd(), gpus)

    def poll(self) -> int | None:
        """Its exit code, once what it wrote can be seen from here."""
        import ray

        ready, _ = ray.wait([self._ref], timeout=0)
        if not ready:
            return None
        code = self._code()
        if code not in (0, DivergedError.exit_code) or outcome(self._job).finished:
            return code
        now = time.monotonic()
        self._ended = self._ended or now
        if now - self._ended > VISIBLE:
            raise CheckpointError(
                f"trial {self._job.workdir.name} is finished, but not in {self._job.workdir} as"
                " seen from here; give a --workdir on a disk that all nodes share"
            )
        return None

    def terminate(self) -> None:
        """A task that has not begun is dropped; one that runs lets its process save and leave."""
        import ray

        ray.cancel(self._ref)

    def wait(self) -> None:
        """Returns when the task is over, whatever came of it."""
        import ray

        ray.wait([self._ref])

    def _code(self) -> int:
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            return int(ray.get(self._ref))
        except TaskCancelledError:
            return Interrupted.exit_code
        except RayTaskError as error:
            cause: Any = error.cause
            if isinstance(cause, AsrnnError):
                raise cause from None
            raise _unfit(cause) from None
        except RayError:
            return KILLED


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A Ray cluster within reach."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if address != LOCAL:
        _check_answers(address)
    try:
        ray.init(
            address=address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        yield
    except SystemExit:  # from Ray's handler of SIGTERM
        raise Interrupted(
            "stopped by SIGTERM before the first trial; run the same command again"
        ) from None
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Tries the address in a process of its own: `ray.init` waits for minutes and ignores signals.

    Raises:
      ConfigError: if no cluster answers within `ANSWER` seconds.
    """
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
    try:
        found = subprocess.run(
            [sys.executable, "-c", code, address],
            capture_output=True,
            text=True,
            timeout=ANSWER,
            check=False,
            start_new_session=True,
        )
        why = "" if found.returncode == 0 else (found.stderr.splitlines() or ["no answer"])[-1]
    except subprocess.TimeoutExpired:
        why = f"no answer within {ANSWER:.0f} seconds"
    if why:
        raise ConfigError(
            f"no Ray cluster at {address} ({why}); start one with `ray start --head`, or give"
            " --ray_address=HOST:PORT, or local"
        )


def _room(gpus: float) -> int:
    """How many trials the cluster can run at a time."""
    import ray

    has = ray.cluster_resources()
    if gpus and not has.get("GPU"):
        raise ConfigError(f"--ray_gpus={gpus:g}, but no node of the Ray cluster has a GPU")
    room = [has.get("CPU", 0.0)] + ([has["GPU"] / gpus] if gpus else [])
    return max(1, int(min(room)))


def _unfit(error: Exception) -> ConfigError:
    why = one_line(error)
    return ConfigError(
        f"a node of the Ray cluster cannot run trials ({type(error).__name__}: {why}); it needs"
        f" asrnn installed as here and this folder, {Path.cwd()}"
    )
