"""Compiles a train step with the CUDA kernels for an H200, on a machine that has none.

pip install '.[cuda]'
JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1 python experiments/compile_for_gpu.py

XLA takes the place of a device by its description. It says of each case how many kernels a step
launches, by kind, and how much memory it needs beside parameters and data; that it compiles at all
says that XLA accepts the calls, arrays without elements among them.
"""

import re
import sys
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from asrnn.benchmarks.cases import CASES, CELLS, TRAIN_STEP, Workload
from asrnn.benchmarks.training_steps import images_of, random_examples, train_step_config
from asrnn.recurrence import native
from asrnn.recurrence.native import cpp, cuda
from asrnn.recurrence.native.cuda import library
from asrnn.training.dispatch_size import MAX_STEPS
from asrnn.training.examples import Examples, KeyPurpose
from asrnn.training.experiment import make_experiment
from asrnn.training.step import empty_window, train_steps_function

H200 = """
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  l2_cache_size: 52428800
  memory_bandwidth: 4800000000000
  device_memory_size: 151397597184
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
"""
# name = type operation(operands
LAUNCH = re.compile(r"%(\S+) = .*? (?:fusion|custom-call|copy)\(")
KINDS = {"ffi_call": "recurrence", "gemm": "product", "cublas": "product", "reduce": "reduction"}


def native_on_a_gpu() -> None:
    """Lets `native` mean the CUDA kernels, whose images nobody will launch."""
    handlers = library.load(cpp.shared_library(library.HERE, (library.HANDLER,)))
    for name in (library.FORWARD, library.BACKWARD):
        capsule = jax.ffi.pycapsule(getattr(handlers, name))
        jax.ffi.register_ffi_target(name, capsule, platform="CUDA")
    library.image_number = lambda variant: 0  # type: ignore[assignment]
    native.available, native.unroll = cuda.available, cuda.unroll  # type: ignore[assignment]


def compiled(workload: Workload, placement: NamedSharding) -> Any:
    """The train steps of a workload, as training dispatches them."""
    experiment = make_experiment(train_step_config("native", workload))
    assert experiment.model.recurrence["backend"] == "native", experiment.note
    steps = train_steps_function(
        experiment.model, experiment.task, experiment.objective, experiment.settings
    )
    arguments = (
        experiment.initial_snapshot().state,
        empty_window(experiment.objective),
        experiment.hyper,
        Examples(random_examples(images_of(workload))),
        np.zeros((MAX_STEPS, workload.case.shape.B), np.int32),
        np.int32(1),
        experiment.key(KeyPurpose.TRAINING_NOISE),
    )
    described = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            jnp.shape(leaf), jnp.asarray(leaf).dtype, sharding=placement
        ),
        arguments,
    )
    return jax.jit(steps, donate_argnums=0).trace(*described).lower().compile()


def kernels_of_a_step(text: str) -> Counter[str]:
    """The instructions of the loop's body that become launches, by kind."""
    bodies = [part for part in re.split(r"\n(?=%|ENTRY)", text) if "asrnn_cuda_forward" in part]
    names = [match.group(1) for match in map(LAUNCH.search, bodies[-1].splitlines()) if match]
    return Counter(
        next((kind for word, kind in KINDS.items() if word in name), "other") for name in names
    )


def main() -> None:
    """Prints a line for each case and cell."""
    try:
        topology = topologies.get_topology_desc("", "cuda", topology="1x1x1", target_config=H200)
    except NotImplementedError:
        sys.exit("compile_for_gpu: jax has no CUDA here; pip install '.[cuda]'")
    placement = NamedSharding(Mesh(np.array(topology.devices[:1]), ("x",)), PartitionSpec())
    jax.config.update("jax_default_matmul_precision", "highest")
    native_on_a_gpu()
    for name, case in CASES.items():
        for cell in CELLS:
            step = compiled(Workload(case, cell, TRAIN_STEP), placement)
            kinds = kernels_of_a_step(step.as_text())
            memory = step.memory_analysis().temp_size_in_bytes / 2**20
            print(
                f"{name}, {cell}: {kinds.total()} kernels a step ("
                + ", ".join(f"{number} {kind}" for kind, number in kinds.items())
                + f"), {memory:.0f} MiB of working memory"
            )


if __name__ == "__main__":
    main()
