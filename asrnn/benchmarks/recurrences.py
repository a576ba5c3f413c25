"""The recurrences of this package, and Flax's LSTM: a batch of sequences forward and back.

Forward is the last hidden state of a batch. Forward+backward is a scalar of it, ⟨h_T, w⟩, and
its gradient with respect to all parameters of the cell, but not the inputs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from flax import nnx
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from asrnn.benchmarks.cases import FORWARD, Workload
from asrnn.benchmarks.repetition import repeated
from asrnn.benchmarks.system import Options, Prepared, compiled
from asrnn.dynamics import Cell, Coefficients, Scalars, make_cell
from asrnn.recurrence import choose_backend, unroll
from asrnn.training.devices import BATCH, batch_mesh, replicated
from asrnn.typing import Array

COEFFICIENTS = Coefficients(step_size=0.01, diffusion=0.01)

LastState = Callable[[Any, Scalars, Array], Array]
"""(parameters, coefficients, inputs [T, B, m]) -> h_T [B, n]."""


def backend_mesh(backend: str, batch: int) -> Mesh:
    """The devices of a backend: one for `scan`, the yardstick; those of training for others."""
    if backend == "scan":
        return Mesh(jax.devices()[:1], (BATCH,), axis_types=(AxisType.Auto,))
    return batch_mesh(batch, backend)


def native_obstacle() -> str | None:
    """Why the native recurrence is not the one that runs when it is asked for."""
    return scheme_obstacle("native", "antisymmetric", "euler")


def rounding_obstacle(precision: str) -> str | None:
    """Why the native recurrence is not in this precision when it is asked for."""
    return scheme_obstacle("native", "antisymmetric", "euler", precision)


def scheme_obstacle(backend: str, cell: str, scheme: str, precision: str = "default") -> str | None:
    """Why a backend is not the one that runs a cell and scheme when it is asked for."""
    made = make_cell(cell, scheme)
    params = made.init(jax.random.key(0), 1, 2, init_scale=1.0)
    return choose_backend(backend, made, params, precision).note


def prepare_backend(backend: str, workload: Workload, options: Options | None = None) -> Prepared:
    """A backend of `asrnn.unroll`, compiled with some options."""
    return _prepare_cell(make_cell(workload.cell), backend, workload, options)


def prepare_scheme(backend: str, cell: str, scheme: str, workload: Workload) -> Prepared:
    """A cell in place of the antisymmetric one, of as many units, under a scheme."""
    name = workload.cell.replace("antisymmetric", cell)
    return _prepare_cell(make_cell(name, scheme), backend, workload)


def _prepare_cell(
    cell: Cell, backend: str, workload: Workload, options: Options | None = None
) -> Prepared:
    size = workload.case.shape
    params = cell.init(jax.random.key(1), size.m, size.n, init_scale=1.0)

    def last_state(params: Any, coefficients: Scalars, inputs: Array) -> Array:
        carry, _ = unroll(cell, params, coefficients, inputs, backend=backend)
        return cell.hidden(carry)

    return _prepare(last_state, params, workload, backend_mesh(backend, size.B), options)


def prepare_flax_lstm(workload: Workload) -> Prepared:
    """`flax.nnx.RNN` with an `LSTMCell`, on one device."""
    size = workload.case.shape
    cell = nnx.LSTMCell(size.m, size.n, rngs=nnx.Rngs(0))
    rnn = nnx.RNN(cell, time_major=True, return_carry=True)
    graphdef, params, *others = nnx.split(rnn, nnx.Param, ...)
    zeros = cell.initialize_carry((size.B, size.m), nnx.Rngs(0))

    def last_state(params: Any, coefficients: Scalars, inputs: Array) -> Array:
        del coefficients
        (_, h), _ = nnx.merge(graphdef, params, *others)(inputs, initial_carry=zeros)
        hidden: Array = h
        return hidden

    return _prepare(last_state, params, workload, backend_mesh("scan", size.B))


def _prepare(
    last_state: LastState,
    params: Any,
    workload: Workload,
    mesh: Mesh,
    options: Options | None = None,
) -> Prepared:
    size = workload.case.shape
    everywhere = replicated(mesh)
    sequences, rows = PartitionSpec(None, BATCH), PartitionSpec(BATCH)
    key_inputs, key_weights = jax.random.split(jax.random.key(0))
    inputs = jax.random.uniform(key_inputs, (size.T, size.B, size.m))
    weights = jax.random.normal(key_weights, (size.B, size.n))
    args = (
        *jax.device_put((params, COEFFICIENTS), everywhere),
        jax.device_put(inputs, NamedSharding(mesh, sequences)),
        jax.device_put(weights, NamedSharding(mesh, rows)),
    )

    def forward(params: Any, coefficients: Scalars, inputs: Array, weights: Array) -> Array:
        del weights
        return last_state(params, coefficients, inputs)

    def scalar(params: Any, coefficients: Scalars, inputs: Array, weights: Array) -> Array:
        return (last_state(params, coefficients, inputs) * weights).sum()

    def forward_backward(*args: Any) -> Any:
        result = jax.value_and_grad(scalar)(*args)
        return result if mesh.size == 1 else lax.psum(result, BATCH)

    is_forward = workload.work == FORWARD
    function: Callable[..., Any] = forward if is_forward else forward_backward
    if mesh.size > 1:
        whole = PartitionSpec()
        function = jax.shard_map(
            function,
            mesh=mesh,
            in_specs=(whole, whole, sequences, rows),
            out_specs=rows if is_forward else whole,
            check_vma=False,
        )
    executable, seconds = compiled(jax.jit(function), *args, options=options)
    run, times = repeated(partial(executable, *args), jax.block_until_ready)
    return Prepared(run, times, seconds, {"devices": mesh.size})
