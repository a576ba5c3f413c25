"""A dry run refuses every trial that its own run would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import ConfigError
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.space import expand
from asrnn.sweeps.sweep import Sweep, dry_run
from asrnn.sweeps.trials import make_trials
from tests.training.runs import tiny_config


def sweep(folder: Path, field: str, values: list[Any]) -> Sweep:
    return Sweep(tiny_config(), make_trials(expand(h.sweep(field, values), 0)), folder / "sweep")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model.cell", "lstmm"),
        ("task.name", "digit"),
        ("optimizer.name", "adamm"),
        ("optimizer.schedule", "cosin"),
        ("recurrence.backend", "scam"),
        ("task.source", "file"),
    ],
)
def test_a_trial_with_an_unknown_name_is_refused_by_its_id(
    field: str, value: str, tmp_path: Path
) -> None:
    given = sweep(tmp_path, field, [value])
    with pytest.raises(ConfigError, match=rf"trial {given.trials[0].id}: .*\b{value}\b") as refused:
        dry_run(given)
    assert "\n" not in str(refused.value)


def test_what_every_sweep_is_checked_for_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        dry_run(sweep(tmp_path, "model.step_size", [0.1, -1.0]))


def test_usable_trials_leave_nothing_behind(tmp_path: Path) -> None:
    dry_run(sweep(tmp_path, "model.cell", ["lstm", "antisymmetric"]))
    assert list(tmp_path.iterdir()) == []
