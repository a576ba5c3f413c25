"""How much memory a train step needs, each in a process of its own.

On a CPU that is resident memory. On an accelerator it is what jax took of the device's, where
anything that the compiler took to try algorithms is counted in; CUDA's own memory is not.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jax

from asrnn.benchmarks.cases import Workload
from asrnn.benchmarks.environment import configure_jax
from asrnn.benchmarks.repetition import accelerated
from asrnn.training.devices import peak_memory_bytes

PEAK = "VmHWM:"


def peak_memory_in_a_process(system: str, workload: Workload) -> int | None:
    """The peak bytes of a new process that prepares a workload and runs it twice."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_peak, system, workload).result()


def _peak(system: str, workload: Workload) -> int | None:
    from asrnn.benchmarks.systems import SYSTEMS

    configure_jax()
    prepared = SYSTEMS[system].prepare(workload)
    prepared.run()
    prepared.run()
    return device_peak_bytes() if accelerated() else own_peak_bytes()


def device_peak_bytes() -> int | None:
    """The peak of this process on the fullest of its devices; None if jax does not count it."""
    statistics = [device.memory_stats() or {} for device in jax.local_devices()]
    return max((each["peak_bytes_in_use"] for each in statistics if each), default=None)


def own_peak_bytes() -> int:
    """The peak of this process; Linux counts a parent's into `ru_maxrss`, so not that one."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_memory_bytes()
    line = next(line for line in status.read_text().splitlines() if line.startswith(PEAK))
    return int(line.split()[1]) * 1024
