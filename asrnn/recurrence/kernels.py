"""The front door: one signature for all backends, the table of kernels, and the choice.

| backend   | where            | for                                               |
|-----------|------------------|---------------------------------------------------|
| `scan`    | everywhere       | every cell and scheme; defines the result          |
| `adjoint` | everywhere       | the pairs of `ADJOINTS`: a backward pass by hand, in JAX |
| `native`  | CPU, float32     | the pairs of `KERNELS`, where a C++ compiler is at hand  |
| `native`  | NVIDIA, float32  | `TanhField` under Euler, up to 256 units, where asked for |

All agree with `scan` to rounding, in values and gradients. The operands of products may be rounded
to bfloat16 (`PRECISIONS`); states, sums and everything elementwise are float32 then too.
"""

import functools
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from asrnn.dynamics import Cell, OdeCell, Scalars, SplitTanhField, TanhField
from asrnn.errors import check_choice
from asrnn.options import Use, values_of
from asrnn.recurrence import native
from asrnn.recurrence.adjoint import adjoint
from asrnn.recurrence.arguments import checked
from asrnn.recurrence.reversible import check_reversible, reversible
from asrnn.recurrence.scan import scan
from asrnn.recurrence.segments import by_segments
from asrnn.typing import Array, Carry, Params

BACKENDS = ("scan", "adjoint", "native")
FORMER_NAMES = {"fused": "adjoint"}
"""Names of backends in the configs of earlier versions, and today's."""
REMATS = ("none", "segments", "reverse")
"""What the backward pass computes again, so that it need not be kept."""

PRECISIONS = {"bfloat16": "BF16_BF16_F32", "bfloat16_3x": "BF16_BF16_F32_X3", "float32": "float32"}
"""What the operands of products are rounded to, and jax's name for it.

bfloat16 has 8 significant bits. bfloat16_3x makes each operand a sum of two such numbers and adds
three of their products, which is right to about 16 bits.
"""

Result = tuple[Carry, Array | None]


class Kernel(NamedTuple):
    """A native recurrence of one type of field under one scheme on one platform.

    Attributes:
      obstacle: of a field, why the kernel cannot run it, in a few words; None if it can.
      run: `(field, ε, inputs, carry, *, return_states, remat) -> (carry, states or None)`.
      automatic: whether "auto" takes it: it has been measured there.
    """

    obstacle: Callable[[Any], str | None]
    run: Callable[..., Result]
    automatic: bool


def _tanh_obstacle(field: TanhField) -> str | None:
    if any(leaf.dtype != jnp.float32 for leaf in jax.tree.leaves(field)):
        return "it is float32 only"
    inputs, units = field.input_kernel.shape
    return native.available(units, inputs, field.gate_input_kernel is not None)


def _native_tanh(field: TanhField, *arguments: Any, return_states: bool, remat: str) -> Result:
    segments = remat == "segments"
    return native.unroll(*field, *arguments, return_states=return_states, remat=segments)


def _native_adams_bashforth(
    field: TanhField,
    step_size: Array | float,
    inputs: Array,
    carry: tuple[Array, Array, Array],
    *,
    return_states: bool,
    remat: str,
) -> Result:
    state, slope, age = carry
    steps = inputs.shape[0]
    if steps > 0:
        # 3/2 f - 1/2 f = f: with this slope before it the first step is the one of Euler. XLA
        # computes it, so that under vmap results are equal to rounding, not bit for bit.
        slope = jnp.where(age == 0, field(state, inputs[0]), slope)
    last, states = native.cpu.unroll(
        *field,
        step_size,
        inputs,
        jnp.concatenate([state, slope], axis=-1),
        adams_bashforth=True,
        return_states=return_states,
        remat=remat == "segments",
    )
    return (*jnp.split(last, 2, axis=-1), age + steps), states


def _split_tanh_obstacle(field: SplitTanhField) -> str | None:
    if any(leaf.dtype != jnp.float32 for leaf in (field.coupling, field.input_kernel, field.bias)):
        return "it is float32 only"
    return native.cpu.available()


def _native_split_tanh(
    field: SplitTanhField,
    step_size: Array | float,
    inputs: Array,
    state: tuple[Array, Array],
    *,
    return_states: bool,
    remat: str,
) -> Result:
    last, states = native.cpu.hamiltonian_unroll(
        field.coupling,
        field.input_kernel,
        field.bias,
        field.gate_input_kernel,
        field.gate_bias,
        step_size,
        field.diffusion,
        inputs,
        jnp.concatenate(state, axis=-1),
        return_states=return_states,
        remat="reverse" if remat == "reverse" else remat == "segments",
    )
    return tuple(jnp.split(last, 2, axis=-1)), states


def _adjoint_tanh(
    field: TanhField,
    step_size: Array | float,
    inputs: Array,
    state: Array,
    *,
    return_states: bool,
    remat: str,
) -> Result:
    def segment(state: Array, xs: Array) -> Result:
        return adjoint(*field, step_size, xs, state, return_states=return_states)

    return by_segments(segment, state, inputs) if remat == "segments" else segment(state, inputs)


KERNELS: dict[tuple[type, str, str], Kernel] = {
    (TanhField, "euler", "cpu"): Kernel(_tanh_obstacle, _native_tanh, automatic=True),
    (TanhField, "ab2", "cpu"): Kernel(_tanh_obstacle, _native_adams_bashforth, automatic=True),
    # Not measured on a GPU yet.
    (TanhField, "euler", "gpu"): Kernel(_tanh_obstacle, _native_tanh, automatic=False),
    (SplitTanhField, "symplectic_euler", "cpu"): Kernel(
        _split_tanh_obstacle, _native_split_tanh, automatic=True
    ),
}
"""(type of field, scheme, platform) -> kernel."""

ADJOINTS: dict[tuple[type, str], Callable[..., Result]] = {(TanhField, "euler"): _adjoint_tanh}
"""(type of field, scheme) -> recurrence with a backward pass by hand, in JAX; as `Kernel.run`."""


def rounding_products(precision: str) -> AbstractContextManager[None]:
    """Where what is traced has products of a precision; those of jax's own setting for "default".

    Args:
      precision: "default" or a name of `PRECISIONS`.

    Raises:
      ConfigError: for an unknown name.
    """
    check_choice("recurrence.precision", precision, ("default", *PRECISIONS))
    if precision == "default":
        return nullcontext()
    setting: AbstractContextManager[None] = jax.default_matmul_precision(PRECISIONS[precision])
    return setting


class Choice(NamedTuple):
    """A backend, and one line where it is not the one that was asked for."""

    backend: str
    note: str | None = None


def choose_backend(wanted: str, cell: Cell, params: Params, precision: str = "default") -> Choice:
    """The backend that will run a cell: the fastest that is there and right for "auto".

    Args:
      wanted: "auto" or a name of `BACKENDS`; a former name stands for today's.
      cell: the cell.
      params: its parameters.
      precision: of its products, which may be higher where the machine has no unit for it.

    Raises:
      ConfigError: for an unknown name.
    """
    wanted = FORMER_NAMES.get(wanted, wanted)
    check_choice("recurrence.backend", wanted, ("auto", *BACKENDS))
    if wanted == "scan" or not isinstance(cell, OdeCell) or not cell.plain:
        return _scan_instead(wanted)
    field = cell.ode.field(params, dict.fromkeys(values_of(cell, {}, Use.RUN_TIME), 0.0))
    pair = type(field), cell.scheme_name
    kernel = KERNELS.get((*pair, jax.default_backend()))
    if kernel is None and pair not in ADJOINTS:
        return _scan_instead(wanted)
    if wanted == "adjoint" and pair not in ADJOINTS:
        return _scan_instead(wanted)
    fallback = "adjoint" if pair in ADJOINTS else "scan"
    if wanted == "adjoint" or (wanted == "auto" and (kernel is None or not kernel.automatic)):
        return Choice(fallback)
    obstacle = (
        f"there is none for {jax.default_backend()}" if kernel is None else kernel.obstacle(field)
    )
    if obstacle is None:
        with rounding_products(precision):
            return Choice("native", native.precision_note())
    return Choice(fallback, f"no native recurrence ({obstacle}); running {fallback} instead")


def _scan_instead(wanted: str) -> Choice:
    if wanted in ("scan", "auto"):
        return Choice("scan")
    return Choice(
        "scan", f"no {wanted} recurrence for this cell and discretisation; running scan instead"
    )


def unroll(
    cell: Cell,
    params: Params,
    coefficients: Scalars,
    inputs: Array,
    initial_carry: Carry = None,
    *,
    backend: str = "auto",
    unroll: int = 1,
    remat: str = "none",
    precision: str = "default",
    return_states: bool = False,
) -> Result:
    """Steps a cell along a batch of sequences.

    `adjoint` and `native` have a reverse-mode derivative only; jvp, jacfwd and hessian need
    backend="scan".

    Args:
      cell: what `asrnn.dynamics.make_cell` returns.
      params: the cell's parameters, as `cell.init` draws them.
      coefficients: the run-time scalars by name, step size ε and diffusion γ for example
        (`asrnn.dynamics.Coefficients`); all may be traced. In the dtype of the parameters.
      inputs: `[T, B, m]`, converted to the dtype of the parameters.
      initial_carry: the carry before the first step; zeros by default.
      backend: "auto" or a name of `BACKENDS`.
      unroll: steps per loop iteration of the `scan` backend.
      remat: what the backward pass computes again instead of keeping it. "segments" keeps the state
        every √T steps only (`native` on a CPU: every 32 at most), for one more forward pass.
        "reverse" keeps the last state alone, whatever T, and takes the others back from it, each
        with a rounding error of its own; for the cells and schemes of `reversible.py`.
      precision: what the operands of products are rounded to, "float32", "bfloat16_3x" or
        "bfloat16"; "default" is as `jax_default_matmul_precision` says. On a CPU `native` rounds,
        where the processor has a unit for it (AMX), and is faster then; the other backends, whose
        products XLA makes, stay in float32 there. The backward pass of `adjoint` is as jax is set.
      return_states: whether to return all hidden states, not only the last.

    Returns:
      The carry after the last step, and the hidden states `[T, B, n]` or None.

    Raises:
      ConfigError: for an unknown backend, a coefficient that is missing, not a scalar or not
        finite, arrays whose shapes do not fit, or `remat` that is unknown or not for this cell.
    """
    with rounding_products(precision):
        return _unroll(
            cell, params, coefficients, inputs, initial_carry, backend, unroll, remat, return_states
        )


def _unroll(
    cell: Cell,
    params: Params,
    coefficients: Scalars,
    inputs: Array,
    initial_carry: Carry,
    backend: str,
    unroll: int,
    remat: str,
    return_states: bool,
) -> Result:
    """As `unroll`, with products as jax is set."""
    check_choice("recurrence.remat", remat, REMATS)
    params, coefficients, inputs, initial_carry = checked(
        cell, params, coefficients, inputs, initial_carry, unroll
    )
    choice = choose_backend(backend, cell, params)
    if choice.note is not None:
        _say_once(choice.note)
    exact = check_reversible(cell, coefficients) if remat == "reverse" else None
    if choice.backend == "scan" and exact is not None:
        assert isinstance(cell, OdeCell)
        return reversible(
            cell,
            cell.field(params, coefficients),
            jnp.asarray(coefficients["step_size"]),
            inputs,
            initial_carry,
            exact,
            unroll=unroll,
            return_states=return_states,
        )
    if choice.backend == "scan":
        result = scan(
            cell,
            params,
            coefficients,
            inputs,
            initial_carry,
            unroll=unroll,
            remat=remat == "segments",
            return_states=return_states,
        )
        _report_failures(cell, result[0])
        return result
    assert isinstance(cell, OdeCell)
    field = cell.field(params, coefficients)
    pair = type(field), cell.scheme_name
    native_chosen = choice.backend == "native"
    run = KERNELS[*pair, jax.default_backend()].run if native_chosen else ADJOINTS[pair]
    return run(
        field,
        coefficients["step_size"],
        inputs,
        initial_carry,
        return_states=return_states,
        remat=remat,
    )


@functools.cache
def _say_once(line: str) -> None:
    logging.getLogger("asrnn").warning(line)


def _report_failures(cell: Cell, carry: Carry) -> None:
    """Says once, at run time, that an implicit scheme could not solve its equations."""
    if not isinstance(cell, OdeCell) or cell.scheme.failures is None:
        return
    line = (
        f"{cell.scheme_name} could not solve the equations of some steps: lower model.step_size,"
        " raise model.max_iterations, or choose model.solver=newton"
    )

    def report(failures: Array) -> None:
        if failures > 0:
            _say_once(line)

    jax.debug.callback(report, cell.scheme.failures(carry))
