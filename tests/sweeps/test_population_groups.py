"""Which runs are members of one population: those that one program can train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asrnn.config import base_config, flatten
from asrnn.frame import OFF_AT_ZERO
from asrnn.sweeps import population
from asrnn.sweeps.trials import Job
from tests.sweeps.populations import make_jobs
from tests.training.runs import tiny_config

OWN = {
    *("seed", "model.step_size", "model.diffusion", "model.init_scale"),
    *("model.input_scale", "model.gate_bias", "model.forget_bias"),
    *("model.stiffness", "model.damping", "model.beta", "training.init_from"),
    *(f"optimizer.{name}" for name in ("learning_rate", "momentum", "initial_accumulator")),
    *(f"optimizer.{name}" for name in ("epsilon", "beta1", "beta2", "decay_factor")),
}

OTHER_VALUES: dict[str, Any] = {
    "task.data_dir": "elsewhere",
    "task.pixels": "standardized",
    "task.noise": "fixed",
    "task.augment": "shift",
    "model.cell": "vanilla",
    "model.discretization": "midpoint",
    "model.solver": "newton",
    "model.input_interpolation": "linear",
    "model.gate_stages": "frozen",
    "model.readout": "mean",
    "objective.name": "squared_error",
    "recurrence.backend": "adjoint",
    "recurrence.remat": "segments",
    "recurrence.precision": "bfloat16",
    "optimizer.name": "sgd",
    "optimizer.schedule": "cosine",
    "optimizer.function": "adan",
    "optimizer.arguments": "b1=0.5",
    "training.monitored": "loss",
    "training.init_from": "elsewhere",
}


# A task and its source go together.
@pytest.mark.parametrize(
    "field", sorted(flatten(base_config().to_dict()).keys() - {"task.name", "task.source"})
)
def test_a_field_is_a_members_own_or_makes_another_population(field: str, tmp_path: Path) -> None:
    one, other = tiny_config(), tiny_config()
    value = flatten(one.to_dict())[field]
    if isinstance(value, bool):
        changed: Any = not value
    else:
        changed = OTHER_VALUES[field] if isinstance(value, str) else value + 1
    other.update_from_flattened_dict({field: changed})
    groups = population.groups([Job(tmp_path / "a", one), Job(tmp_path / "b", other)])
    assert len(groups) == (1 if field in OWN else 2)


def test_another_task_makes_another_population(tmp_path: Path) -> None:
    tasks = [tiny_config(), tiny_config(task__name="adding", task__source="generated")]
    jobs = [Job(tmp_path / str(i), config) for i, config in enumerate(tasks)]
    assert population.groups(jobs) == [[jobs[0]], [jobs[1]]]


@pytest.mark.parametrize("field", OFF_AT_ZERO)
def test_what_is_off_at_zero_is_a_members_own_where_all_have_it(field: str, tmp_path: Path) -> None:
    jobs = [
        Job(tmp_path / str(i), tiny_config(**{field: v})) for i, v in enumerate((0.5, 0.0, 0.7))
    ]
    assert population.groups(jobs) == [[jobs[0], jobs[2]], [jobs[1]]]


def test_a_seed_that_decides_what_is_learnt_makes_another_population(tmp_path: Path) -> None:
    fields = {"task__name": "noise_padded_cifar10", "task__source": "tfds"}

    def number(noise: str) -> int:
        seeds = [{"seed": 0}, {"seed": 1}]
        return len(population.groups(make_jobs(tmp_path, seeds, **fields, task__noise=noise)))

    assert number("fresh") == 1
    assert number("fixed") == 2
