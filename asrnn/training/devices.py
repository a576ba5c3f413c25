"""Data parallelism: the batch is split over devices, the parameters are on each of them.

The devices may belong to several processes, which then all run the same program.
"""

import os
import platform
import resource
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from asrnn.errors import ConfigError, one_line

BATCH = "batch"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")

PINNED = {
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_high_dynamic_range_gumbel": False,
    "jax_random_seed_offset": 0,
}
"""What decides the numbers of a run, and is the same in every run of a command.

A shell may set these for other programs, by variables such as JAX_ENABLE_X64. A run is a function
of its config, so they have no say in it, and none of them can differ where it is resumed.
"""


def cpu_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def configure_jax(*, alone: bool = True) -> None:
    """Starts jax as every command that trains or evaluates wants it.

    With all cores of a CPU, what is `PINNED`, and products in full float32, which a GPU would round
    to TF32; JAX_DEFAULT_MATMUL_PRECISION allows that.

    Args:
      alone: False where other processes are to be joined first; `start_jax` is then for later.

    Raises:
      ConfigError: if jax cannot start on the platform that it was told to take.
    """
    split_cpu_into_cores()
    pin_numbers()
    if matmul_precision() == "default":
        jax.config.update("jax_default_matmul_precision", "highest")
    if alone:
        start_jax()


def pin_numbers() -> None:
    """Sets what is `PINNED`, whatever the environment says."""
    for name, value in PINNED.items():
        jax.config.update(name, value)


def start_jax() -> None:
    """Has jax find its devices.

    Raises:
      ConfigError: if there are none of the platforms that JAX_PLATFORMS names.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where no plugin is installed
        platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
        why = f" ({one_line(error)})" if str(error) else ""
        raise ConfigError(
            f"jax finds no device for JAX_PLATFORMS={platforms or ''}{why}; set it to what this"
            " machine has, for example JAX_PLATFORMS=cpu"
        ) from None


def matmul_precision() -> str:
    """That of float32 products, as jax calls it."""
    chosen: str | None = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return chosen or "default"


def split_cpu_into_cores() -> None:
    """Makes each CPU core a device of jax; to be called before jax starts, by a command.

    XLA runs a recurrence's small products on one core, so that is how a batch gets all of
    them. A process that embeds asrnn decides for itself, with `jax_num_cpu_devices`.
    """
    jax.config.update("jax_num_cpu_devices", cpu_cores())


def leave_accelerators_alone() -> None:
    """Keeps jax on the CPU; to be called before jax starts, by a command that only coordinates.

    jax would take most of a GPU's memory when it starts, and the trials need it. What such a
    command computes itself is `PINNED` too.
    """
    jax.config.update("jax_platforms", "cpu")
    pin_numbers()


def batch_mesh(batch_size: int, backend: str, accumulate: int = 1) -> Mesh:
    """The devices that share a batch: as many of each process as divide it, or each part of it.

    The native recurrence has threads of its own, so on a CPU a process takes one device.

    Raises:
      ConfigError: if the batch cannot be shared by all processes.
    """
    devices, processes = jax.devices(), jax.process_count()
    if batch_size // accumulate % processes:
        parts = f" in {accumulate} parts" if accumulate > 1 else ""
        raise ConfigError(
            f"config.training.batch_size={batch_size}{parts} cannot be split over {processes}"
            f" processes; give a multiple of {processes * accumulate}"
        )
    by_process = [[d for d in devices if d.process_index == p] for p in range(processes)]
    threaded = backend == "native" and devices[0].platform == "cpu"
    limit = 1 if threaded else min(map(len, by_process))
    count = max(k for k in range(1, limit + 1) if batch_size // accumulate % (k * processes) == 0)
    chosen = [device for own in by_process for device in own[:count]]
    return Mesh(chosen, (BATCH,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The placement of what every device needs whole."""
    return NamedSharding(mesh, PartitionSpec())


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Puts arrays whole on every device; each process has to give the same ones."""
    everywhere = replicated(mesh)
    if jax.process_count() == 1:
        return jax.device_put(tree, everywhere)

    # device_put would gather the values of all processes to compare them: 2.5 s for MNIST.
    def place(leaf: Any) -> jax.Array:
        value = np.asarray(leaf)
        placed: jax.Array = jax.make_array_from_process_local_data(everywhere, value, value.shape)
        return placed

    return jax.tree.map(place, tree)


def mean_over_devices(value: Any, mesh: Mesh) -> Any:
    """The mean of each device's value, within a function of `over_devices`."""
    return value if mesh.size == 1 else jax.lax.pmean(value, BATCH)


def over_devices(
    function: Callable[..., Any],
    mesh: Mesh,
    reduce: Callable[[Any, str], Any],
    num_shared: int,
) -> Callable[..., Any]:
    """Splits a function's batch over the devices and reduces what they return.

    Args:
      function: of `num_shared` arguments that every device gets whole, and then of arrays
        whose first axis is the batch.
      mesh: what `batch_mesh` returned; its size must divide the batch.
      reduce: `jax.lax.pmean` or `jax.lax.psum`.
      num_shared: how many leading arguments are shared.
    """
    if mesh.size == 1:
        return function

    def part(*args: Any) -> Any:
        return reduce(function(*args), BATCH)

    def split(*args: Any) -> Any:
        whole, parts = PartitionSpec(), PartitionSpec(BATCH)
        specs = (whole,) * num_shared + (parts,) * (len(args) - num_shared)
        run = jax.shard_map(part, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False)
        return run(*args)

    return split


def environment(mesh: Mesh) -> dict[str, Any]:
    """The devices, memory and versions that a run takes, for its summary."""
    return {
        "device": device_name(mesh),
        "matmul_precision": matmul_precision(),
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }


def device_name(mesh: Mesh) -> str:
    """For example "cpu (2 cores)", "gpu NVIDIA H200", "2 processes, 4 devices: cpu (2 cores)"."""
    device = mesh.devices.flat[0]
    name = f"{device.platform} {device.device_kind}"
    if device.platform == "cpu":
        cores = cpu_cores()
        name = f"cpu ({cores} core{'s' * (cores != 1)})"
    processes = len({device.process_index for device in mesh.devices.flat})
    return name if processes == 1 else f"{processes} processes, {mesh.size} devices: {name}"


def peak_memory_bytes() -> int:
    """The largest resident size that this process had; host memory only."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
