"""The name of the workdir depends on the fields that are not at their defaults, and on no other."""

import pytest

from asrnn.config import CHOICES, base_config, default_workdir, differing_fields
from asrnn.optimizers import OPTIMIZERS, Optimizer
from asrnn.options import COUNT_OR_ZERO, Option
from tests.config.cases import DEFAULTS, config_with, reading


def test_the_default_workdir_names_task_and_cell():
    config = base_config()
    workdir = default_workdir(config)
    assert workdir.parent.name == "runs"
    assert workdir.name.startswith("digits-antisymmetric-")
    assert workdir == default_workdir(base_config())


def other(field):
    """Another value of a field, one that it can have."""
    value = DEFAULTS[field]
    if field in CHOICES:
        return next(name for name in CHOICES[field] if name != value)
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_the_default_workdir_differs_by_every_field_that_is_read(field):
    config = reading(field)
    before = default_workdir(config)
    config.update_from_flattened_dict({field: other(field)})
    assert default_workdir(config) != before


def test_a_field_that_nobody_reads_changes_no_name():
    changed = config_with("optimizer.momentum", 0.5)
    assert default_workdir(changed) == default_workdir(base_config())
    assert differing_fields(changed) == {}


def test_a_field_that_a_later_version_adds_changes_no_name(monkeypatch):
    config = config_with("optimizer.momentum", 0.5)
    config.optimizer.name = "sgd"
    before = default_workdir(config)
    warmup = Option("warmup", 0, "only later", COUNT_OR_ZERO)
    later = Optimizer(None, (*OPTIMIZERS["sgd"].options, warmup))
    monkeypatch.setitem(OPTIMIZERS, "sgd", later)
    config = config_with("optimizer.momentum", 0.5)
    config.optimizer.name = "sgd"
    assert config.optimizer.warmup == 0
    assert default_workdir(config) == before
    config.optimizer.warmup = 3
    assert default_workdir(config) != before
