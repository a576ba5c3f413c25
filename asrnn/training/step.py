"""One training step and one evaluation step: pure functions of arrays.

The state of training is parameters, optimizer state and the number of updates made. The
batch and all noise are functions of (seed, step), so nothing else need be stored, and a
run that is resumed is the run that continued.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jax.sharding import Mesh

from asrnn.dynamics import Coefficients
from asrnn.training.devices import over_devices
from asrnn.training.examples import Examples
from asrnn.training.optimizers import learning_rate, make_optimizer
from asrnn.typing import Array, Key

Sequence = Callable[[Array, Array], Array]
"""(images uint8 [B, ...], keys [B]) -> inputs [T, B, m]."""


class KeyPurpose(IntEnum):
    """What the random streams of a run are for; each is `fold_in(key(seed), purpose)`."""

    INIT = 0
    TRAINING_NOISE = 1
    EVALUATION_NOISE = 2


class Hyperparameters(NamedTuple):
    """The run-time scalars: another value recompiles nothing."""

    coefficients: Coefficients
    optimizer: dict[str, Array | float]


class TrainState(NamedTuple):
    """What an update changes."""

    step: Array
    params: Any
    opt_state: Any


class Window(NamedTuple):
    """Sums over the steps since the last row of metrics.jsonl."""

    steps: Array
    loss: Array
    accuracy: Array
    grad_norm: Array
    learning_rate: Array

    @property
    def finite(self) -> Array:
        """Whether all losses and gradients so far were finite."""
        return jnp.isfinite(self.loss) & jnp.isfinite(self.grad_norm)


class Snapshot(NamedTuple):
    """What a checkpoint holds; the sums make a resumed run's rows those of one that ran on."""

    state: TrainState
    window: Window


class Counts(NamedTuple):
    """Sums over evaluated examples."""

    loss: Array
    correct: Array
    examples: Array


class Model(NamedTuple):
    """The static part of a run: the structure of its module, how and where to run it."""

    graphdef: nnx.GraphDef[Any]
    recurrence: Mapping[str, Any]
    mesh: Mesh

    def logits(self, params: Any, coefficients: Coefficients, inputs: Array) -> Array:
        """Logits [B, C] of inputs [T, B, m]."""
        module = nnx.merge(self.graphdef, params)
        logits: Array = module(inputs, coefficients, **self.recurrence)
        return logits


def empty_window() -> Window:
    """A window without a step."""
    zero = jnp.zeros(())
    return Window(jnp.zeros((), jnp.int32), zero, zero, zero, zero)


def initial_snapshot(params: Any, hyper: Hyperparameters, settings: Mapping[str, Any]) -> Snapshot:
    """The state before the first update."""
    opt_state = make_optimizer(hyper.optimizer, settings).init(params)
    return Snapshot(TrainState(jnp.zeros((), jnp.int32), params, opt_state), empty_window())


def make_train_steps(
    model: Model, sequence: Sequence, settings: Mapping[str, Any]
) -> Callable[..., tuple[TrainState, Window]]:
    """Compiles `train_steps_function`; the state is donated."""
    return jax.jit(train_steps_function(model, sequence, settings), donate_argnums=0)


def train_steps_function(
    model: Model, sequence: Sequence, settings: Mapping[str, Any]
) -> Callable[..., tuple[TrainState, Window]]:
    """A function that makes several updates.

    It is `(state, window, hyper, examples, indices, count, key)`: `count` updates with the
    batches `indices[:count]`, `[K, B]`. It stops early, at the update that showed it, when
    loss or gradient is not finite.
    """

    def loss_fn(
        params: Any, coefficients: Coefficients, inputs: Array, labels: Array
    ) -> tuple[Array, Array]:
        logits = model.logits(params, coefficients, inputs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), jnp.mean(logits.argmax(-1) == labels)

    def scores_and_gradients(
        params: Any, coefficients: Coefficients, examples: Examples, batch: Array, keys: Array
    ) -> Any:
        images, labels = examples.take(batch)
        inputs = sequence(images, keys)
        return jax.value_and_grad(loss_fn, has_aux=True)(params, coefficients, inputs, labels)

    in_parallel = over_devices(scores_and_gradients, model.mesh, lax.pmean, num_shared=3)

    def train_step(
        state: TrainState,
        window: Window,
        hyper: Hyperparameters,
        examples: Examples,
        batch: Array,
        key: Key,
    ) -> tuple[TrainState, Window]:
        keys = jax.random.split(jax.random.fold_in(key, state.step), batch.shape[0])
        (loss, accuracy), grads = in_parallel(
            state.params, hyper.coefficients, examples, batch, keys
        )
        rate = learning_rate(hyper.optimizer, state.step, settings)
        optimizer = make_optimizer({**hyper.optimizer, "learning_rate": rate}, settings)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        window = Window(
            window.steps + 1,
            window.loss + loss,
            window.accuracy + accuracy,
            window.grad_norm + optax.tree.norm(grads),
            jnp.asarray(rate, jnp.float32),
        )
        return TrainState(state.step + 1, params, opt_state), window

    def train_steps(
        state: TrainState,
        window: Window,
        hyper: Hyperparameters,
        examples: Examples,
        indices: Array,
        count: Array,
        key: Key,
    ) -> tuple[TrainState, Window]:
        last = state.step + count
        first = state.step

        def unfinished(carry: tuple[TrainState, Window]) -> Array:
            state, window = carry
            return (state.step < last) & window.finite

        def update(carry: tuple[TrainState, Window]) -> tuple[TrainState, Window]:
            state, window = carry
            return train_step(state, window, hyper, examples, indices[state.step - first], key)

        return lax.while_loop(unfinished, update, (state, window))

    return train_steps


def make_eval_step(model: Model, sequence: Sequence) -> Callable[..., Counts]:
    """Compiles `eval_step_function`."""
    return jax.jit(eval_step_function(model, sequence))


def eval_step_function(model: Model, sequence: Sequence) -> Callable[..., Counts]:
    """A function `(params, coefficients, examples, indices [B], mask [B], key) -> Counts`.

    The noise of an example depends on its index and the key alone, so the result does
    not depend on how the examples are batched.
    """

    def part_of_batch(
        params: Any,
        coefficients: Coefficients,
        examples: Examples,
        key: Key,
        indices: Array,
        mask: Array,
    ) -> Counts:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, indices)
        images, labels = examples.take(indices)
        inputs = sequence(images, keys)
        logits = model.logits(params, coefficients, inputs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        correct = logits.argmax(-1) == labels
        return Counts((losses * mask).sum(), (correct * mask).sum(), mask.sum())

    in_parallel = over_devices(part_of_batch, model.mesh, lax.psum, num_shared=4)

    def eval_step(
        params: Any,
        coefficients: Coefficients,
        examples: Examples,
        indices: Array,
        mask: Array,
        key: Key,
    ) -> Counts:
        padding = (0, -len(indices) % model.mesh.size)
        indices, mask = jnp.pad(indices, padding), jnp.pad(mask, padding)
        counts: Counts = in_parallel(params, coefficients, examples, key, indices, mask)
        return counts

    return eval_step
