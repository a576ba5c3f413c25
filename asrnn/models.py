"""Flax NNX modules: they hold parameters, the functions of this package do the maths."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from asrnn.dynamics import Coefficients, make_cell, recurrent_matrix
from asrnn.dynamics.antisymmetric import normal
from asrnn.dynamics.field import affine
from asrnn.recurrence import unroll
from asrnn.typing import Array


class AntisymmetricCell(nnx.RNNCellBase):
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
      discretization: a name of `asrnn.dynamics.INTEGRATORS`.
      init_scale: σ_w, W ~ N(0, σ_w²/n).
      rngs: Flax's random streams; `params` is used.
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
    ):
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.step_size = step_size
        self.diffusion = diffusion
        self.cell = make_cell("gated_antisymmetric" if gated else "antisymmetric", discretization)
        self.params = parameters(
            self.cell.init(rngs.params(), in_features, hidden_features, init_scale=init_scale)
        )

    def __call__(self, carry: Array, inputs: Array) -> tuple[Array, Array]:
        """One step: carry `[..., n]`, inputs `[..., m]` -> (h, h), both `[..., n]`."""
        params = {name: param[...] for name, param in self.params.items()}
        step = self.cell.prepare(params, Coefficients(self.step_size, self.diffusion))
        h = step(carry, inputs)
        return h, h

    def initialize_carry(
        self,
        input_shape: tuple[int, ...],
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        carry_init: Any = None,
    ) -> Array:
        """The state before the first step: zeros `[..., n]` for inputs `[..., m]`."""
        del rngs, carry_init
        return jnp.zeros((*input_shape[:-1], self.hidden_features))

    def recurrent_matrix(self) -> Array:
        """A = W - Wᵀ - γI, `[n, n]`."""
        params = {name: param[...] for name, param in self.params.items()}
        return recurrent_matrix(params, self.diffusion)

    @property
    def num_feature_axes(self) -> int:
        """One: the last axis of an input holds its features."""
        return 1


class SequenceClassifier(nnx.Module):
    """A cell along a sequence, and a dense layer on its last hidden state (paper, sec. 5).

    logits = h_T K + c, with K ~ N(0, 1/n) and c = 0.

    Args:
      cell: a name of `asrnn.dynamics.CELLS`.
      input_size: m.
      hidden_size: n.
      num_classes: C.
      discretization: for ODE cells, a name of `asrnn.dynamics.INTEGRATORS`.
      init_scale: σ_w.
      rngs: Flax's random streams; `params` is used.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        *,
        discretization: str = "euler",
        init_scale: float = 1.0,
        rngs: nnx.Rngs,
    ):
        self.cell = make_cell(cell, discretization)
        self.recurrent = parameters(
            self.cell.init(rngs.params(), input_size, hidden_size, init_scale=init_scale)
        )
        self.head = parameters(
            {
                "kernel": normal(rngs.params(), (hidden_size, num_classes), 1 / hidden_size),
                "bias": jnp.zeros(num_classes),
            }
        )

    def __call__(self, inputs: Array, coefficients: Coefficients, **recurrence: Any) -> Array:
        """Logits `[B, C]` of inputs `[T, B, m]`; `recurrence` goes to `asrnn.unroll`."""
        params = {name: param[...] for name, param in self.recurrent.items()}
        carry, _ = unroll(self.cell, params, coefficients, inputs, **recurrence)
        head = {name: param[...] for name, param in self.head.items()}
        return affine(self.cell.hidden(carry), head["kernel"], head["bias"])


def parameters(arrays: dict[str, Array]) -> Any:
    """Wraps arrays as the trainable variables of a module."""
    return nnx.Dict({name: nnx.Param(array) for name, array in arrays.items()})


def num_parameters(params: Any) -> int:
    """The number of entries of all arrays in a pytree."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
