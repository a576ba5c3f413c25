"""The table of all that can be measured, by name."""

from functools import partial

from asrnn.benchmarks import gemm, recurrences, torch_modules, training_steps
from asrnn.benchmarks.cases import (
    EVALUATION,
    FLOOR,
    FORWARD,
    FORWARD_BACKWARD,
    TRAIN_STEP,
    WORKS,
    Problem,
)
from asrnn.benchmarks.system import Prepared, System

RECURRENCE_WORKS = (FORWARD, FORWARD_BACKWARD)


def _prepare_backend(backend: str, problem: Problem) -> Prepared:
    if problem.work in (TRAIN_STEP, EVALUATION):
        return training_steps.prepare_backend(backend, problem)
    return recurrences.prepare_backend(backend, problem)


def _torch(module: str) -> System:
    prepare = partial(torch_modules.prepare, module)
    return System(RECURRENCE_WORKS, prepare, torch_modules.obstacle)


SYSTEMS: dict[str, System] = {
    "scan": System(WORKS, partial(_prepare_backend, "scan")),
    "fused": System(WORKS, partial(_prepare_backend, "fused")),
    "native": System(WORKS, partial(_prepare_backend, "native"), recurrences.native_obstacle),
    "flax-lstm": System(RECURRENCE_WORKS, recurrences.prepare_flax_lstm),
    "torch-rnn": _torch("RNN"),
    "torch-gru": _torch("GRU"),
    "torch-lstm": _torch("LSTM"),
    FLOOR: System(WORKS, gemm.prepare),
}
