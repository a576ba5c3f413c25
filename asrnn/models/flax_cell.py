"""The cells of the table as cells of Flax, for `flax.nnx.RNN`.

`asrnn.unroll(cell.cell, cell.arrays(), cell.coefficients, inputs)` computes the same along a
time-major sequence `[T, B, m]`, several times faster on a CPU, where it takes the native kernel.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import initializers

from asrnn.dynamics import CELLS, make_cell, recurrent_matrix
from asrnn.errors import ConfigError, check_choice, near_miss
from asrnn.models.network import arrays, parameters
from asrnn.options import Use, check_value, values_of
from asrnn.typing import Array, Carry, Params, is_floating


class RecurrentCell(nnx.RNNCellBase):
    """Any cell of `asrnn.dynamics.CELLS` as a cell of Flax.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> cell = RecurrentCell("lstm", 1, 16, rngs=nnx.Rngs(0))
    >>> nnx.RNN(cell)(jnp.ones((4, 20, 1))).shape
    (4, 20, 16)

    Args:
      name: of the cell.
      in_features: m, the size of an input.
      hidden_features: n, the hidden size.
      discretization: a name of `asrnn.dynamics.SCHEMES`, for cells that are ODEs.
      param_dtype: the dtype of parameters and states.
      rngs: Flax's random streams; `params` is used.
      **options: of the cell and the scheme, step_size and init_scale for example.

    Raises:
      ConfigError: for an unknown name or option, or a value that an option cannot have.
    """

    def __init__(
        self,
        name: str,
        in_features: int,
        hidden_features: int,
        *,
        discretization: str = "euler",
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        check_choice("the cell", name, CELLS)
        for what, size in (("in_features", in_features), ("hidden_features", hidden_features)):
            if size < 1:
                raise ConfigError(f"{what} must be at least 1, found {size}")
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.param_dtype = param_dtype
        self.cell = make_cell(name, discretization)
        known = {option.name: option for option in self.cell.options}
        for given, value in options.items():
            if given not in known:
                raise ConfigError(f"{name} has no option {given!r}{near_miss(given, known)}")
            check_value(f"model.{given}", known[given], value)
        if static := values_of(self.cell, options, Use.STATIC):
            self.cell = make_cell(name, discretization, **static)
        self.coefficients = values_of(self.cell, options, Use.RUN_TIME)
        initial = values_of(self.cell, options, Use.INITIAL)
        drawn = self.cell.init(rngs.params(), in_features, hidden_features, **initial)
        self.params = parameters({key: array.astype(param_dtype) for key, array in drawn.items()})

    def arrays(self) -> Params:
        """The parameters as `asrnn.unroll` takes them."""
        return arrays(self.params)

    def __call__(self, carry: Carry, inputs: Array) -> tuple[Carry, Array]:
        """One step: carry of `[..., n]`, inputs `[..., m]` -> (carry, hidden state `[..., n]`)."""
        step = self.cell.prepare(self.arrays(), self.coefficients)
        carry = step(carry, inputs)
        return carry, self.cell.hidden(carry)

    def initialize_carry(
        self,
        input_shape: tuple[int, ...],
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        carry_init: Any = None,
    ) -> Carry:
        """The carry before the first step, arrays `[..., n]` for inputs `[..., m]`.

        Args:
          input_shape: of the inputs of a step.
          rngs: for an initializer that draws; the stream `carry` is used.
          carry_init: `(key, shape, dtype) -> array` for each array of the carry; zeros by default.
            The counter of a scheme starts as the scheme says.
        """
        draw = initializers.zeros_init() if carry_init is None else carry_init
        stream = rngs.carry if isinstance(rngs, nnx.Rngs) else rngs
        leading = input_shape[:-1]

        def initial(part: Array) -> Array:
            if not is_floating(part):
                return part
            key = jax.random.key(0) if stream is None else stream()
            drawn: Array = draw(key, (*leading, *part.shape[1:]), part.dtype)
            return drawn

        return jax.tree.map(initial, self.cell.initial_carry(self.arrays(), 1))

    @property
    def num_feature_axes(self) -> int:
        """One: the last axis of an input holds its features."""
        return 1


class AntisymmetricCell(RecurrentCell):
    """The AntisymmetricRNN as a cell of Flax (paper, eq. 12; gated: eq. 13).

    h_t = h_{t-1} + ε tanh((W - Wᵀ - γI) h_{t-1} + V x_t + b) under Euler's method.

    Works in `flax.nnx.RNN`:

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> cell = AntisymmetricCell(1, 16, step_size=0.01, diffusion=0.01, rngs=nnx.Rngs(0))
    >>> nnx.RNN(cell)(jnp.ones((4, 20, 1))).shape
    (4, 20, 16)

    Args:
      in_features: m, the size of an input.
      hidden_features: n, the hidden size.
      step_size: ε.
      diffusion: γ.
      gated: whether the gate of eq. 13 multiplies the field.
      discretization: a name of `asrnn.dynamics.SCHEMES`.
      init_scale: σ_w, W ~ N(0, σ_w²/n).
      rngs: Flax's random streams; `params` is used.
      **options: as `RecurrentCell`, `input_scale` and `param_dtype` for example.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        step_size: float,
        diffusion: float,
        gated: bool = False,
        discretization: str = "euler",
        init_scale: float = 1.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        super().__init__(
            "gated_antisymmetric" if gated else "antisymmetric",
            in_features,
            hidden_features,
            discretization=discretization,
            rngs=rngs,
            step_size=step_size,
            diffusion=diffusion,
            init_scale=init_scale,
            **options,
        )

    @property
    def step_size(self) -> float:
        """ε."""
        return float(self.coefficients["step_size"])

    @property
    def diffusion(self) -> float:
        """γ."""
        return float(self.coefficients["diffusion"])

    def recurrent_matrix(self) -> Array:
        """A = W - Wᵀ - γI, `[n, n]`."""
        return recurrent_matrix(self.arrays(), self.diffusion)
