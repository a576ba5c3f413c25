"""The Cell contract: what a recurrence needs to know of one time step.

A cell is a handful of pure functions. `prepare` runs once per sequence and may do work
that all steps share (build A = W - Wᵀ - γI, factorise a matrix); the step that it
returns runs T times.

There are two kinds. An `OdeCell` is a vector field, h' = f(h, x), which a
discretisation turns into a step. A `MapCell` is born discrete (an LSTM, say).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp

from asrnn.dynamics.integrators import INTEGRATORS
from asrnn.typing import Array, Carry, Field, Key, Params, Step

PrepareField = Callable[[Params, Array | float], Field]


class Coefficients(NamedTuple):
    """The scalars of the ODE, held at run time: changing them recompiles nothing."""

    step_size: Array | float
    """ε > 0, the step of the discretisation."""
    diffusion: Array | float
    """γ ≥ 0, the strength of the term -γ h."""


class Init(Protocol):
    """Draws the parameters of a cell."""

    def __call__(
        self, key: Key, input_size: int, hidden_size: int, *, init_scale: float
    ) -> Params: ...


class Cell(Protocol):
    """One time step of a recurrent network, as pure functions."""

    @property
    def init(self) -> Init:
        """`(key, m, n, *, init_scale) -> params`; `init_scale` is the paper's σ_w."""

    def prepare(self, params: Params, coefficients: Coefficients) -> Step:
        """Does the work that all steps of a sequence share and returns the step."""

    def initial_carry(self, params: Params, batch_size: int) -> Carry:
        """The state before the first step: zeros, in the dtype of the parameters."""

    def hidden(self, carry: Carry) -> Array:
        """The hidden state `[B, n]` within a carry."""


@dataclass(frozen=True)
class OdeCell:
    """A vector field h' = f(h, x) under a discretisation; its carry is h itself.

    Attributes:
      init: draws the parameters.
      field: `(params, γ) -> f`, once per sequence.
      discretization: a name of `INTEGRATORS`.
    """

    init: Init
    field: PrepareField
    discretization: str = "euler"

    def prepare(self, params: Params, coefficients: Coefficients) -> Step:
        field = self.field(params, coefficients.diffusion)
        return INTEGRATORS[self.discretization](field, coefficients.step_size)

    def initial_carry(self, params: Params, batch_size: int) -> Array:
        bias = params["bias"]
        return jnp.zeros((batch_size, *bias.shape), bias.dtype)

    def hidden(self, carry: Array) -> Array:
        return carry


@dataclass(frozen=True)
class MapCell:
    """A cell given directly as a map; ε and γ mean nothing to it.

    Attributes:
      init: draws the parameters.
      step: `(params, carry, x) -> carry`.
      num_states: how many `[B, n]` arrays the carry holds; the first is the hidden state.
    """

    init: Init
    step: Callable[[Params, tuple[Array, ...], Array], tuple[Array, ...]]
    num_states: int = 1

    def prepare(self, params: Params, coefficients: Coefficients) -> Step:
        del coefficients
        return lambda carry, x: self.step(params, carry, x)

    def initial_carry(self, params: Params, batch_size: int) -> tuple[Array, ...]:
        kernel = params["recurrent_kernel"]
        return (jnp.zeros((batch_size, kernel.shape[0]), kernel.dtype),) * self.num_states

    def hidden(self, carry: tuple[Array, ...]) -> Array:
        return carry[0]
