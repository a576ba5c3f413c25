"""Optimizers and schedules of the learning rate: the section `optimizer` of a config.

The float options are run-time values: a sweep over them compiles once, and a population may
hold a different one for each member. optax is imported when an optimizer is made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from asrnn.errors import check_choice
from asrnn.options import COUNT, FRACTION, NON_NEGATIVE, POSITIVE, Option, Use
from asrnn.typing import Array

if TYPE_CHECKING:
    import optax

Values = Mapping[str, Array | float]
"""The run-time options by name."""
Settings = Mapping[str, Any]
"""The whole section and `steps`, the length of the run: what the update is compiled for."""

MOMENTUM = Option("momentum", 0.9, "μ of the heavy ball", FRACTION, Use.RUN_TIME)
NESTEROV = Option("nesterov", False, "Nesterov's form of the momentum")
INITIAL_ACCUMULATOR = Option(
    "initial_accumulator", 0.1, "where the sum of squares starts", NON_NEGATIVE, Use.RUN_TIME
)
EPSILON = Option("epsilon", 1e-7, "keeps the denominator from 0", POSITIVE, Use.RUN_TIME)
BETA1 = Option("beta1", 0.9, "decay of the mean gradient", FRACTION, Use.RUN_TIME)
BETA2 = Option("beta2", 0.999, "decay of the mean square", FRACTION, Use.RUN_TIME)
WEIGHT_DECAY = Option(
    "weight_decay", 0.0, "λ, decoupled: θ ← θ - η λ θ in each update", NON_NEGATIVE, Use.RUN_TIME
)
DECAY_EVERY = Option("decay_every", 10_000, "steps between two decays of the rate", COUNT)
DECAY_FACTOR = Option(
    "decay_factor", 0.1, "what each decay multiplies the rate with", POSITIVE, Use.RUN_TIME
)


@dataclass(frozen=True)
class Optimizer:
    """A rule of update: `make(values, settings)` is its gradient transformation."""

    make: Callable[[Values, Settings], "optax.GradientTransformation"]
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Schedule:
    """A learning rate over steps: `rate(values, step, settings)`."""

    rate: Callable[[Values, Array, Settings], Array | float]
    options: tuple[Option, ...] = ()


def sgd(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """Heavy ball: m ← g + μ m, θ ← θ - η m; Nesterov: θ ← θ - η (g + μ m)."""
    import optax

    return optax.sgd(
        values["learning_rate"], momentum=values["momentum"], nesterov=settings["nesterov"]
    )


def adagrad(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """s ← s + g², θ ← θ - η g / √(s + ε), s starting at `initial_accumulator`.

    Source: Duchi, Hazan, Singer, JMLR 12 (2011). ε stands inside the root.
    """
    import optax

    del settings
    return optax.adagrad(
        values["learning_rate"], values["initial_accumulator"], eps=values["epsilon"]
    )


def adam(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """θ ← θ - η m̂ / (√v̂ + ε) (Kingma and Ba, ICLR 2015)."""
    import optax

    del settings
    return optax.adam(
        values["learning_rate"], values["beta1"], values["beta2"], eps=values["epsilon"]
    )


def adamw(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """θ ← θ - η (m̂ / (√v̂ + ε) + λ θ) (Loshchilov and Hutter, ICLR 2019)."""
    import optax

    del settings
    return optax.adamw(
        values["learning_rate"],
        values["beta1"],
        values["beta2"],
        eps=values["epsilon"],
        weight_decay=values["weight_decay"],
    )


def rmsprop(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """v ← β₂ v + (1 - β₂) g², θ ← θ - η g / √(v + ε) (Tieleman and Hinton 2012)."""
    import optax

    del settings
    return optax.rmsprop(values["learning_rate"], values["beta2"], eps=values["epsilon"])


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, (MOMENTUM, NESTEROV)),
    "adagrad": Optimizer(adagrad, (INITIAL_ACCUMULATOR, EPSILON)),
    "adam": Optimizer(adam, (EPSILON, BETA1, BETA2)),
    "adamw": Optimizer(adamw, (EPSILON, BETA1, BETA2, WEIGHT_DECAY)),
    "rmsprop": Optimizer(rmsprop, (EPSILON, BETA2)),
}


def constant(values: Values, step: Array, settings: Settings) -> Array | float:
    """η."""
    del step, settings
    return values["learning_rate"]


def step_decay(values: Values, step: Array, settings: Settings) -> Array | float:
    """η · decay_factor^⌊step / decay_every⌋."""
    decays = step // settings["decay_every"]
    return values["learning_rate"] * jnp.power(values["decay_factor"], decays)


def cosine(values: Values, step: Array, settings: Settings) -> Array | float:
    """η · (1 + cos(π step / steps)) / 2."""
    import optax

    return values["learning_rate"] * jnp.asarray(
        optax.cosine_decay_schedule(1.0, settings["steps"])(step)
    )


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(constant),
    "step": Schedule(step_decay, (DECAY_EVERY, DECAY_FACTOR)),
    "cosine": Schedule(cosine),
}


def learning_rate(values: Values, step: Array, settings: Settings) -> Array | float:
    """The rate of the update that follows after `step` updates."""
    return SCHEDULES[settings["schedule"]].rate(values, step, settings)


def make_optimizer(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """The gradient transformation with optional clipping by the global norm before it.

    Args:
      values: the run-time options; may be traced.
      settings: the whole section, static, and `steps`, the length of the run.

    Raises:
      ConfigError: for an unknown optimizer or schedule.
    """
    import optax

    check_choice("optimizer.name", settings["name"], OPTIMIZERS)
    check_choice("optimizer.schedule", settings["schedule"], SCHEDULES)
    optimizer = OPTIMIZERS[settings["name"]].make(values, settings)
    if not settings["clip_norm"]:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(values["clip_norm"]), optimizer)
