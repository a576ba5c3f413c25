"""What a run minimises and what it measures: losses and metrics as sums over targets.

Training, evaluation, several devices and populations all add up the same sums and divide once.
Everything that compares runs (best checkpoint, sweeps, reports, pictures) follows the monitored
metric of the run's objective.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from asrnn.console import loss_text, percent
from asrnn.errors import ConfigError, check_choice
from asrnn.lazy import jax, jnp
from asrnn.options import Option
from asrnn.typing import Array

Terms = Callable[..., dict[str, Array]]
"""`(outputs [..., k], targets [...] or [..., k], **values) -> {metric: [...]}`, with "loss"."""

RESERVED = ("count", "examples", "step", "steps", "split", "learning_rate", "grad_norm")
"""Names that a metric cannot have, because the rows of a run have fields of these names."""


@dataclass(frozen=True)
class Metric:
    """How a measured number is compared and shown.

    Attributes:
      label: for an axis, with the unit.
      better: whether more or less of it is better.
      percent: whether it is a fraction that is shown in percent.
    """

    label: str
    better: Literal["higher", "lower"]
    percent: bool = False

    def cost(self, value: float | None) -> float:
        """A number that is smaller for a better value; infinity for None."""
        if value is None:
            return math.inf
        return -value if self.better == "higher" else value

    def text(self, value: float | None) -> str:
        """For a person: "97.46%", "0.0093", "-" for None."""
        if value is None or self.percent:
            return percent(value)
        return loss_text(value)


@dataclass(frozen=True)
class Objective:
    """A loss and the metrics that go with it.

    Attributes:
      name: its name in `OBJECTIVES`.
      targets: "class" (integers from 0 to C - 1) or "real" (k numbers).
      terms: the metrics of each target by name, "loss" among them; its keyword arguments are
        the options.
      metrics: what `terms` returns, in the order in which it is shown.
      monitored: the metric by which runs are compared.
      options: what it reads of the section `objective` of a config.
    """

    name: str
    targets: Literal["class", "real"]
    terms: Terms
    metrics: Mapping[str, Metric] = field(hash=False)
    monitored: str
    options: tuple[Option, ...] = ()

    @property
    def metric(self) -> Metric:
        """The monitored metric."""
        return self.metrics[self.monitored]

    def sums(
        self, outputs: Array, targets: Array, mask: Array | None = None, **values: Any
    ) -> dict[str, Any]:
        """The sum of each metric over the targets that count, and "count", their number.

        Args:
          outputs: `[B, k]` of the last state or the mean, or `[T, B, k]` of every step.
          targets: `[B]` or `[B, k]`, of every step `[B, T]` or `[B, T, k]`.
          mask: bool `[B]` or `[B, T]`, True where a target counts; None if all do. Targets that
            do not count may hold anything, NaN or -1 too.
          **values: of the options.

        Returns:
          float32 scalars; without a mask the count is a Python number, known when compiling.
        """
        every_step = outputs.ndim == 3
        if every_step:
            targets = jnp.swapaxes(targets, 0, 1)
        if mask is not None:
            mask = _like_targets(mask, targets.shape[: outputs.ndim - 1], every_step)
            targets = _zero_unless(mask, targets)
        terms = self.terms(outputs, targets, **values)
        if mask is None:
            sums = {name: term.astype(jnp.float32).sum() for name, term in terms.items()}
            return sums | {"count": float(terms["loss"].size)}
        sums = {
            name: jnp.where(mask, term.astype(jnp.float32), 0.0).sum()
            for name, term in terms.items()
        }
        return sums | {"count": mask.astype(jnp.float32).sum()}


def _like_targets(mask: Array, shape: tuple[int, ...], every_step: bool) -> Array:
    """A mask [B] or [B, T] as bool [B], or [T, B] for targets at every step."""
    mask = mask.astype(bool)
    if mask.ndim < len(shape):
        mask = mask[:, None]
    return jnp.broadcast_to(mask.T if every_step else mask, shape)


def _zero_unless(mask: Array, targets: Array) -> Array:
    """The targets, 0 where they do not count, so that these cannot spoil a gradient."""
    return jnp.where(mask[..., None] if targets.ndim > mask.ndim else mask, targets, 0)


def cross_entropy_terms(logits: Array, labels: Array) -> dict[str, Array]:
    """loss = log Σ_c exp(logit_c) - logit_label, in nats; accuracy: the largest is the label.

    Args:
      logits: `[..., C]`.
      labels: integers `[...]`.

    Returns:
      Each `[...]`.
    """
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return {
        "loss": jax.nn.logsumexp(logits, axis=-1) - chosen,
        "accuracy": logits.argmax(-1) == labels,
    }


def squared_error_terms(outputs: Array, targets: Array) -> dict[str, Array]:
    """loss = (1/k) Σ_i (y_i - t_i)².

    Args:
      outputs: y, `[..., k]`.
      targets: t, `[..., k]`, or `[...]` where k = 1.

    Returns:
      `[...]`.
    """
    if targets.ndim < outputs.ndim:
        targets = targets[..., None]
    return {"loss": jnp.square(outputs - targets).mean(-1)}


CROSS_ENTROPY = Objective(
    "cross_entropy",
    "class",
    cross_entropy_terms,
    {
        "loss": Metric("cross-entropy (nats)", "lower"),
        "accuracy": Metric("accuracy (%)", "higher", percent=True),
    },
    "accuracy",
)

SQUARED_ERROR = Objective(
    "squared_error",
    "real",
    squared_error_terms,
    {"loss": Metric("mean squared error", "lower")},
    "loss",
)

OBJECTIVES: dict[str, Objective] = {
    objective.name: objective for objective in (CROSS_ENTROPY, SQUARED_ERROR)
}


def find_objective(name: str) -> Objective:
    """The objective of that name.

    Raises:
      ConfigError: for a name that is not in `OBJECTIVES`.
    """
    check_choice("objective.name", name, OBJECTIVES)
    return OBJECTIVES[name]


def objective_of(fields: Mapping[str, Any]) -> Objective:
    """The objective of a run, from its config by dotted name.

    A config of a version that had no objectives is one of cross-entropy.

    Raises:
      ConfigError: for a name that is not in `OBJECTIVES`, or a metric that the objective lacks.
    """
    objective = find_objective(fields.get("objective.name", CROSS_ENTROPY.name))
    monitored = fields.get("training.monitored") or objective.monitored
    if monitored not in objective.metrics:
        raise ConfigError(
            f"config.training.monitored must be a metric of {objective.name}"
            f" ({', '.join(objective.metrics)}), or empty; found {monitored!r}"
        )
    return replace(objective, monitored=monitored)
