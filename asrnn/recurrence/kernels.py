"""The front door: one signature for all backends, the table of kernels, and the choice.

| backend   | where            | for                                               |
|-----------|------------------|---------------------------------------------------|
| `scan`    | everywhere       | every cell and scheme; defines the result          |
| `adjoint` | everywhere       | the pairs of `ADJOINTS`: a backward pass by hand, in JAX |
| `native`  | CPU, float32     | the pairs of `KERNELS`, where a C++ compiler is at hand  |
| `native`  | NVIDIA, float32  | `TanhField` under Euler, up to 256 units, where asked for |

All agree with `scan` to rounding, in values and gradients. On a CPU only `native` can round the
operands of products to bfloat16 (precision.py).
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from asrnn.dynamics import Cell, OdeCell, Scalars, SplitTanhField, TanhField
from asrnn.errors import ConfigError, check_choice
from asrnn.options import Use, values_of
from asrnn.recurrence import native
from asrnn.recurrence.adjoint import adjoint
from asrnn.recurrence.arguments import checked
from asrnn.recurrence.precision import DEFAULT, check_precision, products_in
from asrnn.recurrence.reversible import check_reversible, reversible
from asrnn.recurrence.scan import scan
from asrnn.recurrence.segments import by_segments
from asrnn.typing import Array, Carry, Params

BACKENDS = ("scan", "adjoint", "native")
FORMER_NAMES = {"fused": "adjoint"}
"""Names of backends in the configs of earlier versions, and today's."""
REMATS = ("none", "segments", "reverse")
"""What the backward pass computes again, so that it need not be kept."""

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
        # computes it, in float32, so under vmap results are equal to rounding, not bit for bit.
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


class Choice(NamedTuple):
    """A backend and a precision of products, and one line where one is not what was asked for."""

    backend: str
    note: str | None = None
    precision: str = DEFAULT


def choose_backend(wanted: str, cell: Cell, params: Params, precision: str = DEFAULT) -> Choice:
    """The backend that will run a cell: the fastest that is there and right for "auto".

    Args:
      wanted: "auto" or a name of `BACKENDS`; a former name stands for today's.
      cell: the cell.
      params: its parameters.
      precision: of its products, a name of `PRECISIONS` or "default". What is chosen is float32
        where the machine does not round.

    Raises:
      ConfigError: for an unknown name.
    """
    check_precision(precision)
    choice = _choose_backend(wanted, cell, params)
    if jax.default_backend() != "cpu" or precision in (DEFAULT, "float32"):
        return choice._replace(precision=precision)
    if choice.backend != "native":
        obstacle: str | None = f"on a CPU {choice.backend} multiplies in float32"
    else:
        obstacle = native.cpu.obstacle_to_rounding()
    if obstacle is None:
        return choice._replace(precision=precision)
    notes = [choice.note] if choice.note else []
    note = "; ".join([*notes, f"no products in {precision} ({obstacle}); they are in float32"])
    return Choice(choice.backend, note, "float32")


def _choose_backend(wanted: str, cell: Cell, params: Params) -> Choice:
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
        return Choice("native")
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
    precision: str = DEFAULT,
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
        "bfloat16" (`asrnn.recurrence.precision`), of float32 parameters; "default" is as
        `jax_default_matmul_precision` says. On a CPU `native` rounds, where the processor has a
        unit for it (AMX), and is faster then; the other backends stay in float32 there.
      return_states: whether to return all hidden states, not only the last.

    Returns:
      The carry after the last step, and the hidden states `[T, B, n]` or None.

    Raises:
      ConfigError: for an unknown backend, a coefficient that is missing, not a scalar or not
        finite, arrays whose shapes do not fit, `remat` that is unknown or not for this cell, or a
        precision that is unknown or not for these parameters or this `remat`.
    """
    choice = choose_backend(backend, cell, params, precision)
    check_rounding(precision, remat, jnp.result_type(*params.values()))
    if choice.note is not None:
        _say_once(choice.note)
    with products_in(choice.precision):
        return _unroll(
            choice.backend,
            cell,
            params,
            coefficients,
            inputs,
            initial_carry,
            unroll=unroll,
            remat=remat,
            return_states=return_states,
        )


def check_rounding(precision: str, remat: str, dtype: Any) -> None:
    """Checks that products may be rounded.

    Raises:
      ConfigError: if not.
    """
    if precision in (DEFAULT, "float32"):
        return
    if dtype != jnp.float32:
        raise ConfigError(
            f"recurrence.precision={precision} is for parameters in float32, found {dtype};"
            " leave it at default"
        )
    if remat == "reverse":
        raise ConfigError(
            f"recurrence.remat=reverse takes steps back, which products in {precision} do not"
            " allow; set recurrence.precision=float32 or another remat"
        )


def _unroll(
    backend: str,
    cell: Cell,
    params: Params,
    coefficients: Scalars,
    inputs: Array,
    initial_carry: Carry,
    *,
    unroll: int,
    remat: str,
    return_states: bool,
) -> Result:
    """As `unroll`, by a backend, with products as jax is set."""
    check_choice("recurrence.remat", remat, REMATS)
    params, coefficients, inputs, initial_carry = checked(
        cell, params, coefficients, inputs, initial_carry, unroll
    )
    exact = check_reversible(cell, coefficients) if remat == "reverse" else None
    if backend == "scan" and exact is not None:
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
    if backend == "scan":
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
    native_chosen = backend == "native"
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
