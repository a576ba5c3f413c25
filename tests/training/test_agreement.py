"""Processes that would compute different things are told so before they begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asrnn.errors import ConfigError, DataError
from asrnn.signals import StopRequest
from asrnn.tasks import DataSet
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.process_group import ProcessGroup, check_agreement
from tests.training.runs import tiny_config


class Second(ProcessGroup):
    """The second of two processes; the first has given what it had to share."""

    alone = False  # type: ignore[assignment]

    def __init__(self, given: Any):
        super().__init__(StopRequest())
        self._given = given

    def share(self, value: Any) -> Any:
        return self._given


class First(Second):
    """The first of two processes; keeps what it gives to the second."""

    def share(self, value: Any) -> Any:
        self._given = value
        return value

    def pass_on(self) -> Second:
        return Second(self._given)


def data_set(pixel: int) -> DataSet:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images[-1, -1, -1, -1] = pixel
    labels = np.arange(3, dtype=np.int32)
    train = {"inputs": images, "targets": labels}
    return DataSet(train, {"inputs": images[:1], "targets": labels[:1]}, "files in /data")


def compare(mine: Experiment, theirs: Experiment, data: DataSet) -> None:
    first = First(None)
    check_agreement(first, theirs, data_set(1))
    check_agreement(first.pass_on(), mine, data)


def test_the_same_run_may_find_its_data_elsewhere() -> None:
    mine, theirs = (
        make_experiment(tiny_config(task__data_dir=folder)) for folder in ("here", "there")
    )
    compare(mine, theirs, data_set(1))


def test_another_config_is_named_field_by_field() -> None:
    mine = make_experiment(tiny_config(seed=5, optimizer__learning_rate=0.5))
    with pytest.raises(ConfigError) as error:
        compare(mine, make_experiment(tiny_config()), data_set(1))
    assert "optimizer.learning_rate: 0.5, there 0.01" in str(error.value)
    assert "seed: 5, there 0" in str(error.value)
    assert "data" not in str(error.value)


def test_auto_has_to_choose_the_same_backend_everywhere() -> None:
    mine = make_experiment(tiny_config(recurrence__backend="adjoint"))
    with pytest.raises(ConfigError, match=r"recurrence\.backend: adjoint, there scan"):
        compare(mine, make_experiment(tiny_config()), data_set(1))


def test_other_data_are_noticed_by_a_single_pixel() -> None:
    experiment = make_experiment(tiny_config())
    with pytest.raises(DataError, match="files in /data differ from those of process 0"):
        compare(experiment, experiment, data_set(2))
