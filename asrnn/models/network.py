"""Layers of one cell along a sequence, and a dense head on what they read out."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from asrnn.dynamics import Scalars, make_cell
from asrnn.dynamics.initializers import normal
from asrnn.dynamics.tanh_field import affine
from asrnn.errors import check_choice
from asrnn.recurrence import unroll
from asrnn.typing import Array, Key

READOUTS = ("last", "mean", "every_step")
"""What the head sees: the last hidden state, their mean over time, or each of them."""

DROPOUT_STREAM = 2**31 - 1
"""Folded into an example's key, so that dropout and the noise of the inputs share no bits."""


class Dropout(NamedTuple):
    """What drops numbers that the head reads, each with a probability, those kept scaled up."""

    rate: Array | float
    keys: Key
    """Typed PRNG keys [B]: what is dropped of an example depends on its own key only."""

    def __call__(self, read: Array) -> Array:
        """The numbers `[..., B, n]`, some of them 0 and the others divided by 1 - rate."""
        keys = jax.vmap(jax.random.fold_in, (0, None))(self.keys, DROPOUT_STREAM)
        shape = read.shape[:-2] + read.shape[-1:]
        kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - self.rate, shape), 0, -2)(keys)
        return jnp.where(kept, read / (1 - self.rate), 0.0)


class SequenceNetwork(nnx.Module):
    """A stack of recurrent layers, and a dense layer on their hidden states (paper, sec. 5).

    The hidden states of one layer are the inputs of the next. With s the last hidden state of
    the last layer, the mean of its hidden states over time, or each of them, the outputs are
    s K + c, K ~ N(0, 1/n) and c = 0. The parameters of the first layer are `recurrent`, those
    of the k-th `recurrent_k`.

    Args:
      cell: a name of `asrnn.dynamics.CELLS`; each layer has it.
      input_size: m.
      hidden_size: n.
      output_size: k, the number of classes for example.
      num_layers: how many layers.
      readout: a name of `READOUTS`.
      discretization: for cells that are ODEs, a name of `asrnn.dynamics.SCHEMES`.
      scheme_values: the values of the scheme's options.
      initial: the cell's options for initial parameters, σ_w as `init_scale` for example.
      rngs: Flax's random streams; `params` is used.

    Raises:
      ConfigError: for a name that is not in a table, or a pair that does not fit.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        num_layers: int = 1,
        readout: str = "last",
        discretization: str = "euler",
        scheme_values: dict[str, Any] | None = None,
        initial: dict[str, float] | None = None,
        rngs: nnx.Rngs,
    ):
        check_choice("model.readout", readout, READOUTS)
        self.cell = make_cell(cell, discretization, **(scheme_values or {}))
        self.readout = readout
        self.num_layers = num_layers
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        for name, size in zip(self.layer_names, sizes, strict=True):
            drawn = self.cell.init(rngs.params(), size, hidden_size, **(initial or {}))
            setattr(self, name, parameters(drawn))
        self.head = parameters(
            {
                "kernel": normal(rngs.params(), (hidden_size, output_size), 1 / hidden_size),
                "bias": jnp.zeros(output_size),
            }
        )

    @property
    def layer_names(self) -> list[str]:
        """The names of the layers' parameters, the first layer first."""
        return ["recurrent", *(f"recurrent_{k}" for k in range(2, self.num_layers + 1))]

    def __call__(
        self,
        inputs: Array,
        coefficients: Scalars,
        *,
        dropout: Dropout | None = None,
        **recurrence: Any,
    ) -> Array:
        """Outputs `[B, k]`, or `[T, B, k]` at every step, of inputs `[T, B, m]`.

        Args:
          inputs: the sequences.
          coefficients: the run-time scalars, the same in all layers.
          dropout: in training, what drops numbers that the head reads.
          **recurrence: go to `asrnn.unroll`, for each layer by itself.
        """
        last, states = self.hidden_states(
            inputs, coefficients, all_steps=self.readout != "last", **recurrence
        )
        return self.read_out(last, states, dropout)

    def read_out(self, last: Array, states: Array | None, dropout: Dropout | None = None) -> Array:
        """The outputs, from the last hidden state `[B, n]` of the last layer or all `[T, B, n]`.

        Args:
          last: what a network with the readout "last" reads.
          states: what one with another readout reads.
          dropout: in training, what drops some of these numbers.
        """
        head = arrays(self.head)
        if self.readout == "last":
            read = last
        else:
            assert states is not None
            read = states.mean(0) if self.readout == "mean" else states
        if dropout is not None:
            read = dropout(read)
        return affine(read, head["kernel"], head["bias"])

    def hidden_states(
        self, inputs: Array, coefficients: Scalars, *, all_steps: bool, **recurrence: Any
    ) -> tuple[Array, Array | None]:
        """The last hidden state `[B, n]` of the last layer, and all of them `[T, B, n]` or None."""
        names = self.layer_names
        for name in names:
            carry, states = unroll(
                self.cell,
                arrays(getattr(self, name)),
                coefficients,
                inputs,
                return_states=all_steps or name != names[-1],
                **recurrence,
            )
            if states is not None:
                inputs = states
        return self.cell.hidden(carry), states


def parameters(values: dict[str, Array]) -> Any:
    """Wraps arrays as the trainable variables of a module."""
    return nnx.Dict({name: nnx.Param(array) for name, array in values.items()})


def arrays(variables: Any) -> dict[str, Array]:
    """The arrays within the variables that `parameters` made."""
    return {name: variable[...] for name, variable in variables.items()}


def num_parameters(params: Any) -> int:
    """The number of entries of all arrays in a pytree."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
