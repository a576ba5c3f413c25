"""The configuration of a run: its fields and defaults, their checks, its JSON form."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from asrnn.errors import ConfigError, check_choice, near_miss

Variants = Mapping[str, Mapping[str, Any]]
"""The fields that each variant of a config file changes, by dotted name."""


def base_config() -> ConfigDict:
    """Every field with its default; the files in configs/ start from here."""
    config = ConfigDict()
    config.seed = 0  # initial parameters, order of the examples, noise

    config.task = ConfigDict()
    config.task.name = "digits"  # digits, mnist, pmnist, cifar10, noise_padded_cifar10
    config.task.source = "bundled"  # bundled (digits), tfds, files
    config.task.data_dir = ""  # folder of the data; "" with tfds: its own default
    config.task.validation_size = 0  # examples taken from the training part by the seed
    config.task.permutation_seed = 0  # pmnist: which fixed permutation
    config.task.noise = "fresh"  # noise_padded_cifar10: fresh per example, or one fixed tensor

    config.model = ConfigDict()
    config.model.cell = "antisymmetric"  # a name of asrnn.dynamics.CELLS
    config.model.hidden_size = 128  # n
    config.model.step_size = 0.01  # ε
    config.model.diffusion = 0.01  # γ
    config.model.init_scale = 1.0  # σ_w: W ~ N(0, σ_w²/n)
    config.model.discretization = "euler"  # euler (the paper's), midpoint, rk4

    config.recurrence = ConfigDict()
    config.recurrence.backend = "auto"  # auto: the fastest that is there
    config.recurrence.unroll = 1  # scan: time steps per loop iteration
    config.recurrence.remat = False  # O(√T) memory for one more forward pass

    config.optimizer = ConfigDict()
    config.optimizer.name = "adagrad"  # sgd, adagrad, adam, rmsprop
    config.optimizer.learning_rate = 0.1
    config.optimizer.momentum = 0.9  # sgd
    config.optimizer.nesterov = False  # sgd
    config.optimizer.initial_accumulator = 0.1  # adagrad: Σ g² starts here
    config.optimizer.epsilon = 1e-7  # adagrad, adam, rmsprop
    config.optimizer.beta1 = 0.9  # adam
    config.optimizer.beta2 = 0.999  # adam; rmsprop: decay of the mean square
    config.optimizer.clip_norm = 0.0  # global norm above which gradients are scaled; 0: off
    config.optimizer.schedule = "constant"  # constant, step, cosine
    config.optimizer.decay_every = 10_000  # step: steps between two decays
    config.optimizer.decay_factor = 0.1  # step: what each multiplies the rate with

    config.training = ConfigDict()
    config.training.batch_size = 128
    config.training.steps = 50_000
    config.training.log_every = 100  # steps between two training rows of metrics.jsonl
    config.training.eval_every = 1_000  # steps between two evaluations on the validation part
    config.training.checkpoint_every = 1_000
    config.training.tensorboard = False  # also write TensorBoard events (extra `tensorboard`)
    return config


@dataclass(frozen=True)
class Check:
    """What a field must satisfy, in words and as a predicate."""

    words: str
    holds: Callable[[Any], bool]


POSITIVE = Check("positive and finite", lambda v: math.isfinite(v) and v > 0)
NON_NEGATIVE = Check("finite and at least 0", lambda v: math.isfinite(v) and v >= 0)
FRACTION = Check("in [0, 1)", lambda v: 0 <= v < 1)
SEED = Check("in [0, 2^32)", lambda v: 0 <= v < 2**32)
COUNT = Check("in [1, 2^31)", lambda v: 1 <= v < 2**31)
COUNT_OR_ZERO = Check("in [0, 2^31)", lambda v: 0 <= v < 2**31)

CHECKS: dict[str, Check] = {
    "seed": SEED,
    "task.validation_size": COUNT_OR_ZERO,
    "task.permutation_seed": SEED,
    "model.hidden_size": COUNT,
    "model.step_size": POSITIVE,
    "model.diffusion": NON_NEGATIVE,
    "model.init_scale": NON_NEGATIVE,
    "recurrence.unroll": COUNT,
    "optimizer.learning_rate": POSITIVE,
    "optimizer.momentum": FRACTION,
    "optimizer.initial_accumulator": NON_NEGATIVE,
    "optimizer.epsilon": POSITIVE,
    "optimizer.beta1": FRACTION,
    "optimizer.beta2": FRACTION,
    "optimizer.clip_norm": NON_NEGATIVE,
    "optimizer.decay_every": COUNT,
    "optimizer.decay_factor": POSITIVE,
    "training.batch_size": COUNT,
    "training.steps": COUNT,
    "training.log_every": COUNT,
    "training.eval_every": COUNT,
    "training.checkpoint_every": COUNT,
}


def check_config(config: ConfigDict) -> None:
    """Checks that all fields are there, of their types and in their ranges.

    Which cells, tasks, backends and optimizers there are is for their rooms to say, when
    they are asked for one by name.

    Raises:
      ConfigError: for the first field that cannot be used, in one line.
    """
    fields = flatten(config.to_dict())
    defaults = flatten(base_config().to_dict())
    for name in fields:
        if name not in defaults:
            raise ConfigError(f"unknown config field {name!r}{near_miss(name, defaults)}")
    for name, default in defaults.items():
        if name not in fields:
            raise ConfigError(f"config field {name!r} is missing; asrnn.config.base_config has it")
        _check_type(name, fields[name], type(default))
    for name, check in CHECKS.items():
        if not check.holds(fields[name]):
            raise ConfigError(f"config.{name} must be {check.words}, found {fields[name]}")
    if fields["task.source"] == "files" and not fields["task.data_dir"]:
        raise ConfigError(
            "config.task.source is 'files' but config.task.data_dir is empty;"
            " give the folder of the original files: --config.task.data_dir=DIR"
        )


def _check_type(name: str, value: Any, expected: type) -> None:
    fits = type(value) is expected or (expected is float and type(value) is int)
    if not fits:
        raise ConfigError(
            f"config.{name} must be of type {expected.__name__},"
            f" found {value!r} of type {type(value).__name__}"
        )


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def apply_variants(config: ConfigDict, arg: str, variants: Variants) -> ConfigDict:
    """Applies the comma-separated variants that follow the colon of `--config=file.py:arg`.

    Args:
      config: what to change.
      arg: for example "gated,quick"; "" for none.
      variants: the fields that each name changes, by dotted name.

    Raises:
      ConfigError: for an unknown variant, or two that set a field to different values.
    """
    setter: dict[str, str] = {}
    for name in filter(None, arg.split(",")):
        check_choice("the variant of a config (after the colon)", name, variants)
        for field, value in variants[name].items():
            other = setter.setdefault(field, name)
            if variants[other][field] != value:
                raise ConfigError(
                    f"the variants {other} and {name} exclude each other: config.{field} would be"
                    f" both {variants[other][field]!r} and {value!r}"
                )
        config.update_from_flattened_dict(variants[name])
    return config


def default_workdir(config: ConfigDict) -> Path:
    """runs/<task>-<cell>-<hash of the resolved config>: the same command finds its run."""
    digest = hashlib.sha256(to_json(config).encode()).hexdigest()
    return Path("runs") / f"{config.task.name}-{config.model.cell}-{digest[:8]}"


def to_json(config: ConfigDict) -> str:
    """The resolved config as JSON, fields in a fixed order."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"
