"""The contract of cells and schemes: what a recurrence needs to know of one time step.

A cell is a handful of pure functions. `prepare` runs once per sequence and may do work that all
steps share (build A = W - Wᵀ - γI, factorise a matrix); the step that it returns runs T times.

There are two kinds. An `Ode` is a vector field h' = f(h, x); a `Scheme` makes an `OdeCell`
(`ode_cell.py`) of it. A `MapCell` is born discrete (an LSTM, say). The state of both is a pytree of
`[B, n]` arrays; what a scheme must remember beside it (an earlier slope, say) is in the carry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from asrnn.errors import ConfigError
from asrnn.lazy import jnp
from asrnn.options import COUNT, NON_NEGATIVE, POSITIVE, Option, Use, one_of
from asrnn.typing import Array, Carry, Params, State, Step, VectorField

STEP_SIZE = Option(
    "step_size", 0.01, "ε, the step size of the discretisation", POSITIVE, Use.RUN_TIME
)
DIFFUSION = Option(
    "diffusion", 0.01, "γ, the strength of the term -γ h", NON_NEGATIVE, Use.RUN_TIME
)
STIFFNESS = Option(
    "stiffness",
    1.0,
    "of an oscillator, the term -γ y of its force (α of UnICORNN)",
    NON_NEGATIVE,
    Use.RUN_TIME,
)
DAMPING = Option(
    "damping", 1.0, "of an oscillator, the friction -ε y' in its force", NON_NEGATIVE, Use.RUN_TIME
)

Scalars = Mapping[str, Array | float]
"""The run-time scalars of a cell by name: changing them recompiles nothing."""


def Coefficients(  # noqa: N802 - it reads as the type that it makes
    step_size: Array | float | None = None,
    diffusion: Array | float | None = None,
    **others: Array | float,
) -> dict[str, Array | float]:
    """The run-time scalars of a cell, ε and γ first, others by the names of its options.

    None has a default: a cell refuses to run without one that it reads, and ignores the rest.
    """
    first_two = {"step_size": step_size, "diffusion": diffusion}
    return {name: value for name, value in first_two.items() if value is not None} | others


def check_coefficients(options: tuple[Option, ...], coefficients: Scalars) -> None:
    """Checks that every run-time option has a value.

    Raises:
      ConfigError: for the first that has none.
    """
    names = [option.name for option in options if option.use is Use.RUN_TIME]
    for name in names:
        if name not in coefficients:
            raise ConfigError(
                f"the coefficient {name!r} is missing: the cell reads {', '.join(names)};"
                f" found {', '.join(coefficients) or 'none'}; give it, for example"
                f" Coefficients({name}=0.01)"
            )


Init = Callable[..., Params]
"""`(key, m, n, **initial) -> params`; the keywords are the cell's options for initial values."""


class Cell(Protocol):
    """One time step of a recurrent network, as pure functions."""

    @property
    def options(self) -> tuple[Option, ...]:
        """What it reads of the section `model` of a config."""

    @property
    def init(self) -> Init:
        """`(key, m, n, **initial) -> params`."""

    def prepare(self, params: Params, coefficients: Scalars) -> Step:
        """Does the work that all steps of a sequence share and returns the step.

        Raises:
          ConfigError: if a coefficient that the cell reads is missing.
        """

    def initial_carry(self, params: Params, batch_size: int) -> Carry:
        """The carry before the first step: zeros, in the dtype of the parameters."""

    def hidden(self, carry: Carry) -> Array:
        """The hidden state `[B, n]` within a carry."""


def one_state(params: Params, batch_size: int) -> State:
    """Zeros `[B, n]`, n and dtype those of the parameter `bias`."""
    bias = params["bias"]
    return jnp.zeros((batch_size, *bias.shape), bias.dtype)


def two_states(params: Params, batch_size: int) -> State:
    """A pair of zeros `[B, n]`: position and velocity, say; the first is the hidden state."""
    return (one_state(params, batch_size),) * 2


def rows_of_the_recurrent_kernel(params: Params, batch_size: int) -> Array:
    """Zeros `[B, n]`, n the rows of the parameter `recurrent_kernel`, whatever its columns."""
    kernel = params["recurrent_kernel"]
    return jnp.zeros((batch_size, kernel.shape[0]), kernel.dtype)


def first(state: State) -> Array:
    """The hidden state `[B, n]`: the state itself, or the first of its arrays."""
    hidden: Array = state[0] if isinstance(state, tuple) else state
    return hidden


SUBSTEPS = Option("substeps", 1, "steps of ε / substeps that a scheme makes for each input", COUNT)
INPUT_INTERPOLATION = Option(
    "input_interpolation",
    "hold",
    "the input within a step: hold (the paper's), or linear from the input before",
    one_of("hold", "linear"),
)
GATE_STAGES = Option(
    "gate_stages",
    "each",
    "a gate in a scheme of many stages: evaluated at each, or frozen over the step",
    one_of("each", "frozen"),
)


@dataclass(frozen=True)
class Scheme:
    """A discretisation: what makes a step of a vector field.

    Attributes:
      step: `(field, ε, **values) -> step`; the call happens once per sequence, so that a matrix
        function or a factorisation is computed there.
      order: the order of its error over a fixed time.
      source: where it is from.
      needs: what it asks of a field, a name in `Ode.offers`.
      stages: how often it evaluates the field in a step; 0 if that depends on the state.
      memory: how many earlier steps it remembers.
      own_options: the options that `step` gets as keywords.
      start: what it carries at the beginning, from the initial state.
      state: the state within its carry.
      failures: the number of steps whose equations it could not solve, an integer within its
        carry; None for a scheme that solves none.
      inverse: `(field, ε) -> step back`, which undoes `step` where each rate of a split field
        depends on the other part alone; None for a scheme without one.
    """

    step: Callable[..., Step]
    order: int
    source: str
    needs: str = "field"
    stages: int = 1
    memory: int = 0
    own_options: tuple[Option, ...] = ()
    start: Callable[[State], Carry] = lambda state: state
    state: Callable[[Carry], State] = lambda carry: carry
    failures: Callable[[Carry], Array] | None = None
    inverse: Callable[..., Step] | None = None

    @property
    def options(self) -> tuple[Option, ...]:
        """Its own options, and those that `OdeCell` reads on its behalf.

        A field is interpolated and frozen as a whole, and a slope that a scheme remembers would
        be one along another input: so these two are for one-step schemes that need no more
        than the field.
        """
        whole = self.needs == "field" and not self.memory
        interpolation = (INPUT_INTERPOLATION,) if whole else ()
        gate = (GATE_STAGES,) if whole and self.stages != 1 else ()
        return (*self.own_options, SUBSTEPS, *interpolation, *gate)


@dataclass(frozen=True)
class Ode:
    """A network given by a vector field h' = f(h, x); with a scheme it becomes an `OdeCell`.

    Attributes:
      init: draws the parameters.
      field: `(params, coefficients) -> f`, once per sequence.
      source: where it is from.
      options: its own options, the step size among them.
      initial_state: `(params, B) -> state`.
      hidden_state: the hidden state `[B, n]` within a state.
      offers: what its field offers to schemes:
        "field", a call f(h, x);
        "linear", `linear_part()` -> A `[n, n]`, acting on columns, and `remainder(h, x)` ->
        g with f = A h + g;
        "split", `position_rate(state, x)` and `momentum_rate(state, x)` of a state (y, z);
        "gate", `frozen(h, x)` -> the field with the gate as it is there.
      separable: the run-time scalars that must be 0 for each rate of the split to depend on the
        other part alone; None if it never does.
    """

    init: Init
    field: Callable[[Params, Scalars], VectorField]
    source: str
    options: tuple[Option, ...]
    initial_state: Callable[[Params, int], State] = one_state
    hidden_state: Callable[[State], Array] = first
    offers: frozenset[str] = frozenset({"field"})
    separable: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MapCell:
    """A cell given directly as a map.

    Attributes:
      init: draws the parameters.
      step: `(params, coefficients, carry, x) -> carry`, its params those that `shared` returns.
      source: where it is from.
      options: its options.
      num_states: how many `[B, n]` arrays the carry holds; the first is the hidden state.
      shared: `params -> params`, once per sequence: adds what all steps share, an orthogonal
        matrix made of free entries for example.
      initial_state: `(params, B) -> [B, n]`, each of these arrays before the first step.
    """

    init: Init
    step: Callable[[Params, Scalars, tuple[Array, ...], Array], tuple[Array, ...]]
    source: str
    options: tuple[Option, ...]
    num_states: int = 1
    shared: Callable[[Params], Params] = lambda params: params
    initial_state: Callable[[Params, int], Array] = rows_of_the_recurrent_kernel

    def prepare(self, params: Params, coefficients: Scalars) -> Step:
        check_coefficients(self.options, coefficients)
        prepared = self.shared(params)
        return lambda carry, x: self.step(prepared, coefficients, carry, x)

    def initial_carry(self, params: Params, batch_size: int) -> tuple[Array, ...]:
        return (self.initial_state(params, batch_size),) * self.num_states

    def hidden(self, carry: tuple[Array, ...]) -> Array:
        return carry[0]
