"""Optimizers and schedules of the learning rate: the section `optimizer` of a config.

The float options are run-time values: a sweep over them compiles once, and a population may
hold a different one for each member. optax is imported when an optimizer is made.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asrnn.errors import ConfigError, check_choice, near_miss, one_line
from asrnn.lazy import jax, jnp
from asrnn.options import COUNT, FRACTION, NON_NEGATIVE, POSITIVE, Check, Option, Use
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
FUNCTION = Option("function", "lion", "the function of optax or optax.contrib")
ARGUMENTS = Option(
    "arguments",
    "",
    "its keyword arguments beside learning_rate, 'b1=0.95, weight_decay=0.01' for example",
    Check("keyword arguments with plain values, 'b1=0.95' for example", lambda v: _is_call(v)),
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

    rule = optax.sgd(
        values["learning_rate"], momentum=values["momentum"], nesterov=settings["nesterov"]
    )
    return _with_decay(rule, values, settings)


def adagrad(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """s ← s + g², θ ← θ - η g / √(s + ε), s starting at `initial_accumulator`.

    Source: Duchi, Hazan, Singer, JMLR 12 (2011). ε stands inside the root.
    """
    import optax

    rule = optax.adagrad(
        values["learning_rate"], values["initial_accumulator"], eps=values["epsilon"]
    )
    return _with_decay(rule, values, settings)


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

    rule = optax.rmsprop(values["learning_rate"], values["beta2"], eps=values["epsilon"])
    return _with_decay(rule, values, settings)


def _with_decay(
    rule: "optax.GradientTransformation", values: Values, settings: Settings
) -> "optax.GradientTransformation":
    """The rule with θ ← θ - η λ θ added, if λ is not 0; its state stays what it is."""
    import optax

    if not settings["weight_decay"]:
        return rule
    factor = values["learning_rate"] * values["weight_decay"]

    def update(gradients: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = rule.update(gradients, state, params)
        return jax.tree.map(lambda u, theta: u - factor * theta, updates, params), state

    return optax.GradientTransformation(rule.init, update)


def from_optax(values: Values, settings: Settings) -> "optax.GradientTransformation":
    """Any optimizer of optax by the name of its function; raises what `_checked_call` raises."""
    function, arguments = _checked_call(settings)
    made: optax.GradientTransformation = function(
        learning_rate=values["learning_rate"], **arguments
    )
    return made


def _checked_call(settings: Settings) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of optax that makes the optimizer, and its arguments but for the rate.

    Raises:
      ConfigError: if there is no such function, or it takes no such argument.
    """
    functions = _optax_functions()
    check_choice("config.optimizer.function", settings["function"], functions)
    function, arguments = functions[settings["function"]], _arguments(settings["arguments"])
    takes = [name for name in inspect.signature(function).parameters if name != "learning_rate"]
    for name in arguments:
        if name not in takes:
            raise ConfigError(
                f"config.optimizer.arguments: {settings['function']} of optax takes no"
                f" {name!r}{near_miss(name, takes)}; it takes {', '.join(takes)}"
            )
    return function, arguments


def _optax_functions() -> dict[str, Callable[..., Any]]:
    """The public functions of optax and optax.contrib that make an optimizer from a rate.

    Those whose parameters are not the ones to evaluate (schedule_free) are not among them.
    """
    import optax
    import optax.contrib

    found = {**vars(optax.contrib), **vars(optax)}
    return {
        name: function
        for name, function in sorted(found.items())
        if inspect.isfunction(function)
        and not name.startswith(("_", "scale_by", "schedule_free"))
        and "learning_rate" in inspect.signature(function).parameters
    }


def _arguments(text: str) -> dict[str, Any]:
    """{"b1": 0.9} of "b1=0.9".

    Raises:
      SyntaxError, ValueError: if it is not a list of keyword arguments with plain values.
    """
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
        raise ValueError(text)
    pairs = [(keyword.arg, ast.literal_eval(keyword.value)) for keyword in call.keywords]
    names = {name for name, _ in pairs}
    if None in names or len(names) < len(pairs):
        raise ValueError(text)
    return {str(name): value for name, value in pairs}


def _is_call(text: str) -> bool:
    try:
        _arguments(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, (MOMENTUM, NESTEROV, WEIGHT_DECAY)),
    "adagrad": Optimizer(adagrad, (INITIAL_ACCUMULATOR, EPSILON, WEIGHT_DECAY)),
    "adam": Optimizer(adam, (EPSILON, BETA1, BETA2)),
    "adamw": Optimizer(adamw, (EPSILON, BETA1, BETA2, WEIGHT_DECAY)),
    "rmsprop": Optimizer(rmsprop, (EPSILON, BETA2, WEIGHT_DECAY)),
    "optax": Optimizer(from_optax, (FUNCTION, ARGUMENTS)),
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
    """The rate of the update that follows after `step` updates.

    Over w = `warmup_steps` updates it rises to η, η (step + 1) / w; the schedule begins after
    them, and has the rest of the run.
    """
    schedule, warmup = SCHEDULES[settings["schedule"]], settings["warmup_steps"]
    if not warmup:
        return schedule.rate(values, step, settings)
    rest = {**settings, "steps": settings["steps"] - warmup}
    rate = schedule.rate(values, jnp.maximum(step - warmup, 0), rest)
    return rate * jnp.minimum((step + 1) / warmup, 1.0)


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


def check_optimizer(settings: Settings) -> None:
    """Checks what can be told of the section of a config only by making the optimizer.

    Args:
      settings: as of `make_optimizer`; optax is imported only if one of its functions is named.

    Raises:
      ConfigError: for a function of optax that does not exist or cannot be used, an argument
        that it does not take, or a warm-up that leaves the cosine no step.
    """
    steps, warmup = settings["steps"], settings["warmup_steps"]
    if warmup >= steps and settings["schedule"] == "cosine":
        raise ConfigError(
            f"config.optimizer.warmup_steps={warmup} leaves the cosine none of"
            f" config.training.steps={steps}; give fewer"
        )
    if settings["name"] != "optax":
        return
    _checked_call(settings)

    def update(rate: Array, leaf: Array) -> Any:
        optimizer = from_optax({"learning_rate": rate}, settings)
        return optimizer.update(leaf, optimizer.init(leaf), leaf)

    try:  # with shapes alone: jax must not start before a command has configured it
        number = jax.ShapeDtypeStruct((), jnp.float32)
        jax.eval_shape(update, number, jax.ShapeDtypeStruct((2, 2), jnp.float32))
    except Exception as error:  # whatever a function raises on what it cannot use
        arguments = settings["arguments"] or "no further arguments"
        raise ConfigError(
            f"config.optimizer.function={settings['function']} cannot be used with {arguments}"
            f" ({one_line(error)}); an update has the gradients, the parameters and the"
            " learning rate, and nothing else"
        ) from None
