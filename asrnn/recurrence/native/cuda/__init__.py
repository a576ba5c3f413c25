"""The recurrence as CUDA kernels, forward and backward, for NVIDIA's GPUs.

One block of threads runs a whole sequence: A stays in its registers, the state in its shared
memory, and nothing waits for another block. The forward kernel keeps the state before each step and
the values of tanh (and sigmoid); the backward kernel emits the gradient in the arguments of these,
of which one large product makes the gradient in A. float32; the products outside of the kernels
follow `jax_default_matmul_precision`, and are exact float32 where it is not set.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from asrnn.recurrence.native.compilation import Unavailable
from asrnn.recurrence.native.cuda import calls, library
from asrnn.recurrence.native.cuda.calls import Drive, Forward, StaticArguments
from asrnn.recurrence.native.cuda.variant import DEPTH, MAX_UNITS, make_variant
from asrnn.recurrence.native.members import vary_alike, within_shard_map
from asrnn.recurrence.native.operands import NeededGradients, Operands, Result, check
from asrnn.recurrence.precision import jax_precision, multiplying
from asrnn.recurrence.segments import by_segments

__all__ = ["available", "unroll"]

LARGEST = 2**31 - 1


class Residuals(NamedTuple):
    """What the backward pass needs of the forward pass."""

    wanted: NeededGradients
    operands: Operands
    kept: Forward


def available(units: int, inputs: int, gated: bool) -> str | None:
    """None if the GPU at hand can run networks of these sizes, else the reason in one line.

    The first call for some sizes compiles their kernels unless they are in the user's cache.
    """
    if units > MAX_UNITS:
        return f"the CUDA kernels take at most {MAX_UNITS} units, found {units}"
    try:
        library.image_number(make_variant(units, inputs, gated))
    except Unavailable as reason:
        return str(reason)
    return None


def unroll(
    recurrent_matrix: jax.Array,
    input_kernel: jax.Array,
    bias: jax.Array,
    gate_input_kernel: jax.Array | None,
    gate_bias: jax.Array | None,
    step_size: jax.Array | float,
    inputs: jax.Array,
    initial_state: jax.Array,
    *,
    return_states: bool,
    remat: bool = False,
) -> Result:
    """The final state [B, n] and, if asked for, the states after every step [T, B, n].

    Args:
      recurrent_matrix: A, [n, n], n at most `MAX_UNITS`.
      input_kernel: V, [m, n].
      bias: b, [n].
      gate_input_kernel: Vz, [m, n], or None for the plain cell.
      gate_bias: bz, [n], or None with it.
      step_size: a scalar.
      inputs: [T, B, m].
      initial_state: [B, n].
      return_states: whether the states are wanted; otherwise the second result is None.
      remat: keeps only the state before each of √T segments for the backward pass, which computes
        the rest again.

    Differentiable (reverse mode) with respect to every array. Raises RuntimeError with the reason
    where the kernels are not available.
    """
    steps, batch, features = inputs.shape
    units = recurrent_matrix.shape[0]
    check_size(steps, batch, features, units)
    sizes = (units, features, gate_input_kernel is not None)
    if reason := available(*sizes):
        raise RuntimeError(f"the native CUDA kernel is not available: {reason}")
    variant = make_variant(*sizes)
    image = library.image_number(variant)
    step_size = jnp.asarray(step_size, jnp.float32)
    inputs, initial_state = vary_alike((inputs, initial_state))  # as by_segments needs them

    def segment(state: jax.Array, xs: jax.Array) -> Result:
        operands = Operands(
            recurrent_matrix,
            input_kernel,
            bias,
            gate_input_kernel,
            gate_bias,
            step_size,
            xs,
            state,
        )
        check(operands, operands.units)
        steps, batch, _ = xs.shape
        static = StaticArguments(steps, batch, variant, image, return_states, jax_precision())
        chosen = _run_compiled if within_shard_map() else _run
        result: Result = chosen(static, vary_alike(operands))
        return result

    if remat:
        return by_segments(segment, initial_state, inputs)
    return segment(initial_state, inputs)


def check_size(steps: int, batch: int, inputs: int, units: int) -> None:
    """Sees to it that a kernel can count the elements of an array, and a few steps more, in an int.

    Raises:
      ValueError: if there are too many.
    """
    elements = (steps + DEPTH) * batch * max(inputs, units)
    if elements > LARGEST:
        raise ValueError(
            f"(T + {DEPTH}) x B x max(m, n) can be at most {LARGEST} for the CUDA kernels,"
            f' found {elements}; use a smaller batch or the backend "adjoint"'
        )


def _forward(
    static: StaticArguments, operands: Operands, wanted: NeededGradients | None
) -> Forward:
    """Keeps what the gradients that are wanted need; None: nothing."""
    return calls.forward(
        static,
        operands.recurrent_matrix,
        operands.step_size,
        operands.initial_state,
        _drive(static, operands),
        keep_before=wanted is not None and wanted.weights,
        keep_activations=wanted is not None,
    )


def _drive(static: StaticArguments, operands: Operands) -> Drive:
    _, V, b, Vz, bz, _, x, _ = operands
    if not static.variant.wide:
        return Drive(x, None, V, b, Vz, bz)
    if Vz is None or bz is None:
        return Drive(_affine(x, V, b))
    return Drive(_affine(x, V, b), _affine(x, Vz, bz))


def _affine(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return jnp.dot(x, kernel, precision=_precision()) + bias[None, None]


def _precision() -> lax.Precision | None:
    """What the user has set, and not the faster one that is jax's own default on a GPU."""
    return None if jax_precision() else lax.Precision.HIGHEST


def _run_plain(static: StaticArguments, operands: Operands) -> Result:
    found = _forward(static, operands, None)
    return found.last, found.states


def _run_forward(static: StaticArguments, operands: Operands) -> tuple[Result, Residuals]:
    # With symbolic_zeros each leaf tells whether anybody differentiates with respect to it.
    values = jax.tree.map(lambda leaf: leaf.value, operands)
    perturbed = jax.tree.map(lambda leaf: leaf.perturbed, operands)
    wanted = NeededGradients(weights=any(jax.tree.leaves(perturbed[:5])), inputs=perturbed.inputs)
    found = _forward(static, values, wanted)
    return (found.last, found.states), Residuals(wanted, values, found._replace(states=None))


def _run_backward(
    static: StaticArguments, residuals: Residuals, cotangents: tuple[jax.Array | SymbolicZero, ...]
) -> tuple[Operands]:
    with multiplying(static.precision):
        return _gradients(static, residuals, cotangents)


def _gradients(
    static: StaticArguments, residuals: Residuals, cotangents: tuple[jax.Array | SymbolicZero, ...]
) -> tuple[Operands]:
    wanted, operands, kept = residuals
    variant = static.variant
    last, states = cotangents
    if isinstance(last, SymbolicZero):
        last = jnp.zeros(last.shape, last.dtype)
    given = None if isinstance(states, SymbolicZero) else states
    narrow = wanted.weights and not variant.wide
    found = calls.backward(
        static,
        operands.recurrent_matrix,
        operands.step_size,
        kept,
        last,
        given,
        operands.inputs if narrow else None,
        slopes=wanted.weights or wanted.inputs,
        gate_slopes=variant.gated and (wanted.inputs or (wanted.weights and variant.wide)),
    )
    gradients = {"step_size": found.step_size.sum(), "initial_state": found.initial_state}
    if wanted.inputs:
        gradients["inputs"] = _inputs_gradient(operands, found)
    if wanted.weights:
        gradients["recurrent_matrix"] = _matrix_gradient(kept, found)
        gradients |= _narrow_gradient(found) if narrow else _wide_gradient(operands, found)
    # None stands for a gradient that nobody reads.
    return (Operands._make(gradients.get(name) for name in Operands._fields),)


def _matrix_gradient(kept: Forward, found: calls.Backward) -> jax.Array:
    """Σ (δ + η) h_{t-1}ᵀ, over steps and batch."""
    assert found.slopes is not None
    assert kept.before is not None
    slopes = found.slopes if found.gate_slopes is None else found.slopes + found.gate_slopes
    return _sum_of_products(slopes, kept.before)


def _narrow_gradient(found: calls.Backward) -> dict[str, jax.Array]:
    names = ("input_kernel", "bias", "gate_input_kernel", "gate_bias")
    sums = ((name, getattr(found, name)) for name in names)
    return {name: array.sum(0) for name, array in sums if array is not None}


def _wide_gradient(operands: Operands, found: calls.Backward) -> dict[str, jax.Array]:
    x = operands.inputs
    assert found.slopes is not None
    gradient = {"input_kernel": _sum_of_products(x, found.slopes), "bias": found.slopes.sum((0, 1))}
    if found.gate_slopes is None:
        return gradient
    return gradient | {
        "gate_input_kernel": _sum_of_products(x, found.gate_slopes),
        "gate_bias": found.gate_slopes.sum((0, 1)),
    }


def _inputs_gradient(operands: Operands, found: calls.Backward) -> jax.Array:
    assert found.slopes is not None
    gradient = jnp.dot(found.slopes, operands.input_kernel.T, precision=_precision())
    if found.gate_slopes is None or operands.gate_input_kernel is None:
        return gradient
    gate = jnp.dot(found.gate_slopes, operands.gate_input_kernel.T, precision=_precision())
    return gradient + gate


def _sum_of_products(left: jax.Array, right: jax.Array) -> jax.Array:
    """Σ left rightᵀ over the leading axes [T, B], as one product."""
    return lax.dot_general(left, right, (((0, 1), (0, 1)), ((), ())), precision=_precision())


_run = jax.custom_vjp(_run_plain, nondiff_argnums=(0,))
_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)
_run_compiled = jax.jit(_run, static_argnums=0)
