"""How the trials that run at the same time share one machine's cores and GPUs."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

MEMORY_FRACTION = "XLA_CLIENT_MEM_FRACTION"
GPU_MEMORY = 0.9  # of a GPU, divided among the processes on it


class Slot(NamedTuple):
    """The place of one worker."""

    cores: tuple[int, ...]
    """The cores it may use; empty where a system cannot say."""
    environment: dict[str, str]
    """What its process needs beside the coordinator's environment, before it imports jax."""


def make_slots(workers: int, cores: Sequence[int], gpus: Sequence[str]) -> list[Slot]:
    """Deals out the cores, the same number to each, and the GPUs in turn.

    The same number, because it decides how sums are rounded.

    Args:
      workers: how many slots.
      cores: those of this process; with fewer cores than workers, some share one.
      gpus: as CUDA_VISIBLE_DEVICES names them; where several workers share one, each may
        take its part of the memory, because jax by default takes most of it at once.
    """
    share = max(1, len(cores) // workers)
    slots = []
    for index in range(workers):
        own = tuple(cores[index * share :][:share] or cores[index % max(len(cores), 1) :][:1])
        environment = {}
        if gpus:
            gpu = index % len(gpus)
            sharing = len(range(gpu, workers, len(gpus)))
            environment["CUDA_VISIBLE_DEVICES"] = gpus[gpu]
            if sharing > 1:
                environment[MEMORY_FRACTION] = f"{GPU_MEMORY / sharing:.3f}"
        slots.append(Slot(own, environment))
    return slots


@contextmanager
def claimed_core(cores: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """One of the cores for as long as the context lasts, where no coordinator deals them out.

    Processes of this machine that call this get different ones, by a lock file a core; when
    all are taken, they share. A system without cores to pin to has none to claim.
    """
    folder = Path(tempfile.gettempdir()) / f"asrnn-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        for core in cores:
            lock = held.enter_context((folder / str(core)).open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield (core,)
            return
        yield (cores[os.getpid() % len(cores)],) if cores else ()


def own_cores() -> list[int]:
    """The cores that this process may use, where the system can pin processes to them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The NVIDIA GPUs of this machine, or those of them that CUDA_VISIBLE_DEVICES names.

    Without importing jax, which would take their memory.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    if environment.get("JAX_PLATFORMS", "cuda") == "cpu" or not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []
