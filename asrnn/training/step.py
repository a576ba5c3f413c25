"""One training step and one evaluation step: pure functions of arrays.

The state of training is parameters, optimizer state and the number of updates made. The
batch and all noise are functions of (seed, step), so nothing else need be stored, and a
run that is resumed is the run that continued.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jax.sharding import Mesh

from asrnn.dynamics import Scalars
from asrnn.models import Dropout, SequenceNetwork
from asrnn.objectives import Objective
from asrnn.optimizers import learning_rate, make_optimizer
from asrnn.tasks import Task
from asrnn.training.devices import mean_over_devices, over_devices
from asrnn.training.examples import Batch, Examples, take
from asrnn.typing import Array, Key


class Hyperparameters(NamedTuple):
    """The run-time scalars: another value recompiles nothing."""

    coefficients: Scalars
    optimizer: dict[str, Array | float]
    objective: dict[str, Array | float]
    readout_dropout: Array | float = 0.0


class TrainState(NamedTuple):
    """What an update changes."""

    step: Array
    params: Any
    opt_state: Any
    average: Any = ()
    """With `ema_decay` d the mean of the parameters after each update, weighted by d^(updates ago);
    before the first the initial parameters. Without it no array."""

    @property
    def evaluated(self) -> Any:
        """The parameters by which the run is judged."""
        return self.average or self.params


Window = dict[str, Array]
"""Sums over the steps since the last row of metrics.jsonl: "steps", each metric, "grad_norm"; and
the last "learning_rate"."""

Sums = dict[str, Array]
"""Sums over evaluated targets: each metric, "count" of targets, and "examples"."""


class Snapshot(NamedTuple):
    """What a checkpoint holds; the sums make a resumed run's rows those of one that ran on."""

    state: TrainState
    window: Window


class Model(NamedTuple):
    """The static part of a run: the structure of its module, how and where to run it."""

    graphdef: nnx.GraphDef[Any]
    recurrence: Mapping[str, Any]
    mesh: Mesh

    def network(self, params: Any) -> SequenceNetwork:
        """The module with these parameters."""
        module: SequenceNetwork = nnx.merge(self.graphdef, params)
        return module

    def outputs(
        self,
        params: Any,
        coefficients: Scalars,
        inputs: Array,
        dropout: Dropout | None = None,
    ) -> Array:
        """Outputs [B, k], or [T, B, k] of every step, of inputs [T, B, m]."""
        outputs: Array = self.network(params)(
            inputs, coefficients, dropout=dropout, **self.recurrence
        )
        return outputs

    def states(self, params: Any, coefficients: Scalars, inputs: Array) -> Array:
        """The hidden states [T, B, n] of the last layer, of inputs [T, B, m]."""
        module = self.network(params)
        _, states = module.hidden_states(inputs, coefficients, all_steps=True, **self.recurrence)
        assert states is not None
        return jnp.asarray(states)


def empty_window(objective: Objective) -> Window:
    """A window without a step."""
    names = (*objective.metrics, "grad_norm", "learning_rate")
    return {"steps": jnp.zeros((), jnp.int32)} | {name: jnp.zeros(()) for name in names}


def is_finite(window: Window) -> Array:
    """Whether all losses and gradients so far were finite."""
    return jnp.isfinite(window["loss"]) & jnp.isfinite(window["grad_norm"])


def initial_snapshot(
    params: Any, hyper: Hyperparameters, settings: Mapping[str, Any], objective: Objective
) -> Snapshot:
    """The state before the first update."""
    opt_state = make_optimizer(hyper.optimizer, settings).init(params)
    average = jax.tree.map(jnp.copy, params) if settings["ema_decay"] else ()
    state = TrainState(jnp.zeros((), jnp.int32), params, opt_state, average)
    return Snapshot(state, empty_window(objective))


def make_train_steps(
    model: Model, task: Task, objective: Objective, settings: Mapping[str, Any]
) -> Callable[..., tuple[TrainState, Window]]:
    """Compiles `train_steps_function`; the state is donated."""
    return jax.jit(train_steps_function(model, task, objective, settings), donate_argnums=0)


def train_steps_function(
    model: Model, task: Task, objective: Objective, settings: Mapping[str, Any]
) -> Callable[..., tuple[TrainState, Window]]:
    """A function that makes several updates.

    It is `(state, window, hyper, examples, indices, count, key)`: `count` updates with the
    batches `indices[:count]`, `[K, B]`. It stops early, at the update that showed it, when
    loss or gradient is not finite.
    """

    accumulate = settings["accumulate"]

    def means_and_gradients(
        params: Any, hyper: Hyperparameters, examples: Examples, indices: Array, keys: Array
    ) -> Any:
        batch = take(task, examples, indices, keys, training=True)
        dropout = None
        if settings["readout_dropout"]:
            dropout = Dropout(hyper.readout_dropout, keys)

        def loss_fn(params: Any) -> tuple[Array, Any]:
            outputs = model.outputs(params, hyper.coefficients, batch.inputs, dropout)
            sums = objective.sums(outputs, batch.targets, batch.mask, **hyper.objective)
            count = sums["count"]
            if batch.mask is not None:  # else all devices have as many
                count = mean_over_devices(jnp.asarray(count), model.mesh)
            divisor = count if batch.mask is None else jnp.where(count > 0, count, 1.0)
            means = {name: sums[name] / divisor for name in objective.metrics}
            return means["loss"], (means, count)

        gradients, (means, count) = jax.grad(loss_fn, has_aux=True)(params)
        if accumulate == 1:
            return means, gradients
        return jax.tree.map(lambda leaf: count * leaf, (means, gradients)), jnp.asarray(count)

    in_parallel = over_devices(means_and_gradients, model.mesh, lax.pmean, num_shared=3)

    def of_batch(
        params: Any, hyper: Hyperparameters, examples: Examples, batch: Array, keys: Array
    ) -> Any:
        """The means and gradients of a batch, of which one part at a time is in memory."""
        if accumulate == 1:
            return in_parallel(params, hyper, examples, batch, keys)

        def of_part(part: tuple[Array, Array]) -> Any:
            return in_parallel(params, hyper, examples, *part)

        def add(sums: Any, part: tuple[Array, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, of_part(part)), None

        parts = (batch.reshape(accumulate, -1), keys.reshape(accumulate, -1))
        shapes = jax.eval_shape(of_part, jax.tree.map(lambda array: array[0], parts))
        nothing = jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), shapes)
        (sums, count), _ = lax.scan(add, nothing, parts)
        count = jnp.where(count > 0, count, 1)
        return jax.tree.map(lambda leaf: leaf / count, sums)

    def train_step(
        state: TrainState,
        window: Window,
        hyper: Hyperparameters,
        examples: Examples,
        batch: Array,
        key: Key,
    ) -> tuple[TrainState, Window]:
        keys = jax.random.split(jax.random.fold_in(key, state.step), batch.shape[0])
        means, grads = of_batch(state.params, hyper, examples, batch, keys)
        rate = learning_rate(hyper.optimizer, state.step, settings)
        optimizer = make_optimizer({**hyper.optimizer, "learning_rate": rate}, settings)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        window = {
            "steps": window["steps"] + 1,
            **{name: window[name] + mean for name, mean in means.items()},
            "grad_norm": window["grad_norm"] + optax.tree.norm(grads),
            "learning_rate": jnp.asarray(rate, jnp.float32),
        }
        average = state.average
        if settings["ema_decay"]:
            weight = newest_weight(hyper.optimizer["ema_decay"], state.step + 1)
            average = jax.tree.map(lambda old, new: old + weight * (new - old), average, params)
        return TrainState(state.step + 1, params, opt_state, average), window

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
            return (state.step < last) & is_finite(window)

        def update(carry: tuple[TrainState, Window]) -> tuple[TrainState, Window]:
            state, window = carry
            return train_step(state, window, hyper, examples, indices[state.step - first], key)

        return lax.while_loop(unfinished, update, (state, window))

    return train_steps


def newest_weight(decay: Array | float, count: Array) -> Array:
    """(1 - d) / (1 - d^count): that of the newest of `count` values weighted by d^(values ago)."""
    log = jnp.log(jnp.asarray(decay, jnp.float32))
    return jnp.expm1(log) / jnp.expm1(count * log)


def make_eval_step(model: Model, task: Task, objective: Objective) -> Callable[..., Sums]:
    """Compiles `eval_step_function`."""
    return jax.jit(eval_step_function(model, task, objective))


def eval_step_function(model: Model, task: Task, objective: Objective) -> Callable[..., Sums]:
    """A function `(params, hyper, examples, indices [B], filled [B], key) -> Sums`.

    `filled` is 0 where a batch is padded. The noise of an example depends on its index and the key
    alone, so the result does not depend on how the examples are batched.
    """

    def part_of_batch(
        params: Any,
        hyper: Hyperparameters,
        examples: Examples,
        key: Key,
        indices: Array,
        filled: Array,
    ) -> Sums:
        outputs, batch = batch_outputs(model, task, params, hyper, examples, indices, key)
        return batch_sums(objective, hyper, outputs, batch, filled)

    in_parallel = over_devices(part_of_batch, model.mesh, lax.psum, num_shared=4)

    def eval_step(
        params: Any,
        hyper: Hyperparameters,
        examples: Examples,
        indices: Array,
        filled: Array,
        key: Key,
    ) -> Sums:
        padding = (0, -len(indices) % model.mesh.size)
        indices, filled = jnp.pad(indices, padding), jnp.pad(filled, padding)
        sums: Sums = in_parallel(params, hyper, examples, key, indices, filled)
        return sums

    return eval_step


def batch_outputs(
    model: Model,
    task: Task,
    params: Any,
    hyper: Hyperparameters,
    examples: Examples,
    indices: Array,
    key: Key,
) -> tuple[Array, Batch]:
    """The outputs of an evaluation as `Model.outputs` has them, and the batch they are of."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, indices)
    batch = take(task, examples, indices, keys)
    return model.outputs(params, hyper.coefficients, batch.inputs), batch


def batch_sums(
    objective: Objective, hyper: Hyperparameters, outputs: Array, batch: Batch, filled: Array
) -> Sums:
    """What the outputs of a batch come to; `filled` is 0 where it is padded."""
    mask = filled.astype(bool)
    if batch.mask is not None:
        mask = batch.mask & (mask if batch.mask.ndim == 1 else mask[:, None])
    sums = objective.sums(outputs, batch.targets, mask, **hyper.objective)
    return sums | {"examples": filled.sum()}
