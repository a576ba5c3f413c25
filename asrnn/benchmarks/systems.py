"""The table of all that can be measured, by name."""

from collections.abc import Callable
from functools import partial

from asrnn.benchmarks import gemm, recurrences, torch_modules, training_steps
from asrnn.benchmarks.cases import (
    EVALUATION,
    FLOOR,
    FORWARD,
    FORWARD_BACKWARD,
    TRAIN_STEP,
    WORKS,
    Workload,
)
from asrnn.benchmarks.repetition import gpu_obstacle
from asrnn.benchmarks.system import Options, Prepared, System
from asrnn.benchmarks.torch_modules import EXACT, ROUNDED
from asrnn.recurrence import products_in

RECURRENCE_WORKS = (FORWARD, FORWARD_BACKWARD)


GRAPH: Options = {
    "xla_gpu_enable_command_buffer": (
        "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE"
    ),
    "xla_gpu_graph_min_graph_size": 1,
}
"""What turns a loop into a CUDA graph: the commands that XLA captures by default, and WHILE.

For one program the list takes the place of XLA's own; "+WHILE" is known to XLA_FLAGS alone.
The size is the least number of operations for a graph, 5 by default.
"""


def _prepare_backend(backend: str, options: Options | None, workload: Workload) -> Prepared:
    if workload.work in (TRAIN_STEP, EVALUATION):
        return training_steps.prepare_backend(backend, workload, options)
    return recurrences.prepare_backend(backend, workload, options)


def _prepare_rounded(precision: str, workload: Workload) -> Prepared:
    with products_in(precision):
        return _prepare_backend("native", None, workload)


def _rounded(precision: str) -> System:
    """The native recurrence with the operands of its products rounded."""
    return System(
        WORKS,
        partial(_prepare_rounded, precision),
        partial(recurrences.rounding_obstacle, precision),
    )


def _backend(
    name: str,
    options: Options | None = None,
    obstacle: Callable[[], str | None] = lambda: None,
) -> System:
    return System(WORKS, partial(_prepare_backend, name, options), obstacle)


def _scheme(backend: str, cell: str, scheme: str) -> System:
    prepare = partial(recurrences.prepare_scheme, backend, cell, scheme)
    obstacle = partial(recurrences.scheme_obstacle, backend, cell, scheme)
    return System(RECURRENCE_WORKS, prepare, obstacle)


def _torch(module: str, precision: str = EXACT) -> System:
    prepare = partial(torch_modules.prepare, module, precision)
    return System(RECURRENCE_WORKS, prepare, partial(torch_modules.obstacle, precision))


SYSTEMS: dict[str, System] = {
    "scan": _backend("scan"),
    "scan-graph": _backend("scan", GRAPH, gpu_obstacle),
    "adjoint": _backend("adjoint"),
    "native": _backend("native", obstacle=recurrences.native_obstacle),
    "native-bfloat16": _rounded("bfloat16"),
    "native-bfloat16_3x": _rounded("bfloat16_3x"),
    "native-hamiltonian": _scheme("native", "hamiltonian", "symplectic_euler"),
    "native-ab2": _scheme("native", "antisymmetric", "ab2"),
    "scan-ab2": _scheme("scan", "antisymmetric", "ab2"),
    "flax-lstm": System(RECURRENCE_WORKS, recurrences.prepare_flax_lstm),
    "torch-rnn": _torch("RNN"),
    "torch-rnn-tf32": _torch("RNN", ROUNDED),
    "torch-gru": _torch("GRU"),
    "torch-lstm": _torch("LSTM"),
    "torch-lstm-tf32": _torch("LSTM", ROUNDED),
    FLOOR: System(WORKS, gemm.prepare),
}
