"""A dry run refuses every trial that its own run would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import ConfigError
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.shard import Shard
from asrnn.sweeps.space import expand
from asrnn.sweeps.sweep import Sweep, dry_run
from asrnn.sweeps.trials import make_trials
from tests.command.calls import SWEEP, call, flag_values
from tests.training.runs import tiny_config

__all__ = ["call", "flag_values"]


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


def test_it_lists_the_trials_that_would_be_run_and_how_far(tmp_path: Path) -> None:
    whole = sweep(tmp_path, "optimizer.learning_rate", [0.1, 0.2, 0.3, 0.4, 0.5])
    *lines, plan = dry_run(whole._replace(rungs=(4,), reduction=2.0)).splitlines()
    assert lines == [
        f"{trial.id}  learning_rate={trial.overrides['optimizer.learning_rate']}"
        for trial in whole.trials
    ]
    assert plan == "5 trials of 5 settings: 5 to step 4, 3 to step 12"


def test_of_a_shard_it_lists_the_trials_of_the_shard(tmp_path: Path) -> None:
    whole = sweep(tmp_path, "seed", [0, 1, 2, 3, 4])
    *lines, plan = dry_run(whole._replace(shard=Shard(1, 3))).splitlines()
    assert [line.split()[0] for line in lines] == [whole.trials[1].id, whole.trials[4].id]
    assert plan == "5 trials of 1 settings: 1 to step 12; listed: shard 1/3 of the first rung"


def test_of_a_search_it_lists_the_first_batch_and_no_more_than_are_asked_for(call: Any) -> None:
    pytest.importorskip("optuna", reason="needs the extra optuna")
    search = ("--search=optuna", "--config.optimizer.schedule=constant", "--dry_run")
    few = call(*SWEEP[1:], *search, "--trials=3", name=SWEEP[0]).out.splitlines()
    many = call(*SWEEP[1:], *search, "--trials=20", name=SWEEP[0]).out.splitlines()
    assert (len(few), len(many)) == (2 * 3 + 1, 2 * 8 + 1)  # two seeds, and the plan
    assert few[:6] == many[:6]
    assert few[-1] == "6 trials of 3 settings: 3 to step 2,500"
    assert many[-1].endswith("8 to step 2,500; more settings, up to 20, follow from their scores")
