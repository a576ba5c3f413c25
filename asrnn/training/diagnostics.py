"""How gradients and distances fare through time during a training, on a few fixed examples.

What is computed here is a function of its own beside the update, which stays as it is. It steps the
cells one by one, so it serves every cell, whichever backend trains it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from asrnn.dynamics import Scalars
from asrnn.dynamics.stability import (
    largest_lyapunov_exponent,
    no_nudges,
    norms,
    nudged_trajectory,
    over_examples,
)
from asrnn.models import SequenceNetwork
from asrnn.models.network import arrays
from asrnn.objectives import Objective
from asrnn.tasks import Task
from asrnn.training.examples import Examples, take
from asrnn.training.step import Hyperparameters, Model
from asrnn.typing import Array, Carry, Key, Step

BATCH_SIZE = 16
"""How many examples, the first of the first batch; all of a smaller batch."""

Diagnostics = dict[str, Array]
"""Scalars by name: of the first layer "gradient_first", "gradient_middle", "gradient_last" and
"lyapunov", of the k-th layer these names with "_k" behind them.

gradient_* is ‖∂loss/∂h_t‖ after the first step, the ⌈T/2⌉-th and the last, of the loss of one
example, on average over the examples; h is all that the layer carries (of an LSTM, h and c).

lyapunov is the finite-time exponent of a random direction, in nats a step, on average over the
examples, with the layer's inputs held. A layer feeds only those above it, so the exponents of a
stack are those of all its layers together, and its largest is the largest of them.
"""


def make_diagnose(model: Model, task: Task, objective: Objective) -> Callable[..., Diagnostics]:
    """Compiles `diagnose_function`."""
    return jax.jit(diagnose_function(model, task, objective))


def diagnose_function(model: Model, task: Task, objective: Objective) -> Callable[..., Diagnostics]:
    """A function `(params, hyper, examples, indices [B], key) -> Diagnostics`.

    The noise of an example is that of an evaluation, so it is always the same.
    """

    def diagnose(
        params: Any, hyper: Hyperparameters, examples: Examples, indices: Array, key: Key
    ) -> Diagnostics:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, indices)
        batch = take(task, examples, indices, keys)
        network = model.network(params)
        layers = _layers(network, hyper.coefficients, len(indices))
        length = batch.inputs.shape[0]
        inputs = jnp.asarray(batch.inputs, jnp.result_type(*jax.tree.leaves(params)))

        def loss(nudges: list[list[Array]]) -> tuple[Array, list[Array]]:
            """The sum over the examples of the mean over an example's targets."""
            read = _layer_inputs(network, layers, inputs, nudges)
            outputs = network.read_out(read[-1][-1], read[-1])
            sums = objective.sums(outputs, batch.targets, batch.mask, **hyper.objective)
            return len(indices) * sums["loss"] / jnp.maximum(sums["count"], 1.0), read

        still = [no_nudges(carry, length) for _, carry in layers]
        gradients, read = jax.grad(loss, has_aux=True)(still)
        found: Diagnostics = {}
        for name, (step, carry), nudges, seen in zip(
            network.layer_names, layers, gradients, read[:-1], strict=True
        ):
            suffix = name.removeprefix("recurrent")
            sizes = norms(nudges).mean(1)
            exponents = over_examples(partial(largest_lyapunov_exponent, step), carry, seen)
            found |= {
                f"gradient_first{suffix}": sizes[0],
                f"gradient_middle{suffix}": sizes[(length - 1) // 2],
                f"gradient_last{suffix}": sizes[-1],
                f"lyapunov{suffix}": exponents.mean(),
            }
        return found

    return diagnose


def _layers(
    network: SequenceNetwork, coefficients: Scalars, batch_size: int
) -> list[tuple[Step, Carry]]:
    """The step of each layer, and its carry before the first step."""
    params = [arrays(getattr(network, name)) for name in network.layer_names]
    cell = network.cell
    return [
        (cell.prepare(own, coefficients), cell.initial_carry(own, batch_size)) for own in params
    ]


def _layer_inputs(
    network: SequenceNetwork,
    layers: Sequence[tuple[Step, Carry]],
    inputs: Array,
    nudges: list[list[Array]],
) -> list[Array]:
    """What each layer reads, `[T, B, ...]`, and last what the head may read."""
    read = [inputs]
    for (step, carry), own in zip(layers, nudges, strict=True):
        carries = nudged_trajectory(step, carry, read[-1], own)
        read.append(jax.vmap(network.cell.hidden)(carries))
    return read
