"""From the `optimizer` section of a config to an optax gradient transformation.

The float fields are run-time values (`Hyperparameters.optimizer`): a sweep over them
compiles once, and a population may hold a different one for each member.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import optax

from asrnn.errors import check_choice
from asrnn.typing import Array

Values = Mapping[str, Array | float]


def sgd(values: Values, settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """Heavy ball: m ← g + μ m, θ ← θ - η m; Nesterov: θ ← θ - η (g + μ m)."""
    return optax.sgd(
        values["learning_rate"], momentum=values["momentum"], nesterov=settings["nesterov"]
    )


def adagrad(values: Values, settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """s ← s + g², θ ← θ - η g / √(s + ε), s starting at `initial_accumulator`.

    Source: Duchi, Hazan, Singer, JMLR 12 (2011). ε stands inside the root.
    """
    del settings
    return optax.adagrad(
        values["learning_rate"], values["initial_accumulator"], eps=values["epsilon"]
    )


def adam(values: Values, settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """θ ← θ - η m̂ / (√v̂ + ε) (Kingma and Ba, ICLR 2015)."""
    del settings
    return optax.adam(
        values["learning_rate"], values["beta1"], values["beta2"], eps=values["epsilon"]
    )


def rmsprop(values: Values, settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """v ← β₂ v + (1 - β₂) g², θ ← θ - η g / √(v + ε) (Tieleman and Hinton 2012)."""
    del settings
    return optax.rmsprop(values["learning_rate"], values["beta2"], eps=values["epsilon"])


OPTIMIZERS: dict[str, Callable[[Values, Mapping[str, Any]], optax.GradientTransformation]] = {
    "sgd": sgd,
    "adagrad": adagrad,
    "adam": adam,
    "rmsprop": rmsprop,
}


def constant(values: Values, step: Array, settings: Mapping[str, Any]) -> Array | float:
    """η."""
    del step, settings
    return values["learning_rate"]


def step_decay(values: Values, step: Array, settings: Mapping[str, Any]) -> Array | float:
    """η · decay_factor^⌊step / decay_every⌋."""
    decays = step // settings["decay_every"]
    return values["learning_rate"] * jnp.power(values["decay_factor"], decays)


def cosine(values: Values, step: Array, settings: Mapping[str, Any]) -> Array | float:
    """η · (1 + cos(π step / steps)) / 2."""
    return values["learning_rate"] * jnp.asarray(
        optax.cosine_decay_schedule(1.0, settings["steps"])(step)
    )


SCHEDULES: dict[str, Callable[[Values, Array, Mapping[str, Any]], Array | float]] = {
    "constant": constant,
    "step": step_decay,
    "cosine": cosine,
}


def learning_rate(values: Values, step: Array, settings: Mapping[str, Any]) -> Array | float:
    """The rate of the update that follows after `step` updates."""
    return SCHEDULES[settings["schedule"]](values, step, settings)


def make_optimizer(values: Values, settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """The gradient transformation with optional clipping by the global norm before it.

    Args:
      values: the float fields of the optimizer section; may be traced.
      settings: the whole section, static, and `steps`, the length of the run.

    Raises:
      ConfigError: for an unknown optimizer or schedule.
    """
    check_choice("optimizer.name", settings["name"], OPTIMIZERS)
    check_choice("optimizer.schedule", settings["schedule"], SCHEDULES)
    optimizer = OPTIMIZERS[settings["name"]](values, settings)
    if not settings["clip_norm"]:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(values["clip_norm"]), optimizer)
