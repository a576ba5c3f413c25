"""What a node of a Ray cluster does with a trial: starts its process, passes on a stop."""

import os
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from asrnn.signals import StopRequest
from asrnn.sweeps.pool import POLL
from asrnn.sweeps.process import Workers
from asrnn.sweeps.slots import GPU_MEMORY, MEMORY_FRACTION, Slot, claimed_core, own_cores
from asrnn.sweeps.trials import Job


def bring_to_its_end(workdir: str, config: dict[str, Any], folder: str, gpus: float) -> int:
    """Runs a trial in a process of its own and returns its exit code.

    Ray cancels a task by what looks like SIGINT, and ends its worker by SIGTERM; both are
    passed on as SIGTERM, so that the trial saves its state. If the worker is killed, the
    trial's process notices, saves its state and leaves.

    Args:
      workdir: of the trial.
      config: of the trial.
      folder: that paths are relative to: the coordinator's.
      gpus: what the task has reserved; Ray itself has set CUDA_VISIBLE_DEVICES.

    Raises:
      CheckpointError: if the workdir cannot be written.
      OSError: if there is no such folder on this node.
    """
    with (
        StopRequest() as stop,
        claimed_core(own_cores()) as cores,
        Workers() as processes,
    ):
        os.chdir(folder)
        slot = Slot(cores, memory_share(gpus))
        process = processes.start(Job(Path(workdir), ConfigDict(config)), slot)
        try:
            while process.poll() is None and stop.received is None:
                time.sleep(POLL)
        finally:
            process.terminate()
            code = process.wait()
    return code


def memory_share(gpus: float) -> dict[str, str]:
    """What keeps jax from taking more than a part of a GPU: Ray only counts GPUs."""
    return {MEMORY_FRACTION: f"{GPU_MEMORY * gpus:.3f}"} if 0 < gpus < 1 else {}
