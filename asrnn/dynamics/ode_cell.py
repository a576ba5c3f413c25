"""An ODE under a scheme: substeps, the input within a step, and the gate within its stages."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from asrnn.dynamics.contract import (
    GATE_STAGES,
    INPUT_INTERPOLATION,
    SUBSTEPS,
    Init,
    Ode,
    Scalars,
    Scheme,
    check_coefficients,
)
from asrnn.lazy import jnp, lax
from asrnn.options import Option
from asrnn.typing import Array, Carry, Params, State, Step, VectorField


class DrivenField(NamedTuple):
    """The field of the state (h, p), whose second part is the input on its way: h' = f(h, p).

    Any scheme then interpolates the input, for it integrates p' = const exactly.
    """

    field: Any

    def __call__(self, state: State, slope: Array) -> State:
        h, p = state
        return self.field(h, p), slope

    def frozen(self, state: State, slope: Array) -> "DrivenField":
        """The field with the gate as it is at this state and input."""
        del slope
        return DrivenField(self.field.frozen(*state))


@dataclass(frozen=True)
class OdeCell:
    """An ODE under a scheme: a `Cell`.

    Attributes:
      ode: the vector field.
      scheme_name: the name of the scheme in `SCHEMES`.
      scheme: the discretisation.
      scheme_values: the values of the scheme's options.
    """

    ode: Ode
    scheme_name: str
    scheme: Scheme
    scheme_values: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> tuple[Option, ...]:
        return (*self.ode.options, *self.scheme.options)

    @property
    def init(self) -> Init:
        return self.ode.init

    @property
    def plain(self) -> bool:
        """Whether a step is one step of the scheme with the input held, as kernels compute it."""
        return self._substeps == 1 and not self._interpolates

    def field(self, params: Params, coefficients: Scalars) -> VectorField:
        """The vector field for these parameters; ConfigError if a coefficient is missing."""
        check_coefficients(self.options, coefficients)
        return self.ode.field(params, coefficients)

    def prepare(self, params: Params, coefficients: Scalars) -> Step:
        field: Any = self.field(params, coefficients)
        step_size = coefficients["step_size"]
        if not self._interpolates:
            return self._substepped(field, step_size)
        step = self._substepped(DrivenField(field), step_size)

        def interpolating(carry: Carry, x: Array) -> Carry:
            _, before = self.scheme.state(carry)
            return step(carry, (x - before) / step_size)

        return interpolating

    def _substepped(self, field: Any, step_size: Array | float) -> Step:
        once = self._one_step(field, step_size / self._substeps)
        if self._substeps == 1:
            return once

        def repeated(carry: Carry, x: Array) -> Carry:
            return lax.fori_loop(0, self._substeps, lambda _, carry: once(carry, x), carry)

        return repeated

    def _one_step(self, field: Any, step_size: Array | float) -> Step:
        own = {option.name: self._value(option) for option in self.scheme.own_options}
        if self._value(GATE_STAGES) != "frozen":
            return self.scheme.step(field, step_size, **own)

        def frozen(carry: Carry, x: Array) -> Carry:
            fixed = field.frozen(self.scheme.state(carry), x)
            return self.scheme.step(fixed, step_size, **own)(carry, x)

        return frozen

    def initial_carry(self, params: Params, batch_size: int) -> Carry:
        """The carry before the first step: zeros, and an input of 0 where that is interpolated."""
        state = self.ode.initial_state(params, batch_size)
        if self._interpolates:
            kernel = params["input_kernel"]
            state = state, jnp.zeros((batch_size, kernel.shape[0]), kernel.dtype)
        return self.scheme.start(state)

    def hidden(self, carry: Carry) -> Array:
        state = self.scheme.state(carry)
        return self.ode.hidden_state(state[0] if self._interpolates else state)

    @property
    def _substeps(self) -> int:
        return int(self._value(SUBSTEPS))

    @property
    def _interpolates(self) -> bool:
        return bool(self._value(INPUT_INTERPOLATION) == "linear")

    def _value(self, option: Option) -> Any:
        return dict(self.scheme_values).get(option.name, option.default)
