"""What is suggested in the place of a name that there is not."""

from __future__ import annotations

import pytest

from asrnn.config import base_config, flatten
from asrnn.errors import near_miss

FIELDS = flatten(base_config().to_dict())
FILES = [f"/home/me/configs/{name}.py" for name in ("cifar10", "digits", "mnist", "pmnist")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("model.hiden_size", "model.hidden_size"),
        ("model.learning_rate", "optimizer.learning_rate"),
        ("modle.step_size", "model.step_size"),
        ("sead", "seed"),
    ],
)
def test_a_name_like_another_is_suggested(name: str, meant: str) -> None:
    assert near_miss(name, FIELDS) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("name", ["model.foo", "optimizer.x", "training.zzz", "nothing"])
def test_a_field_is_not_meant_for_the_section_alone(name: str) -> None:
    assert near_miss(name, FIELDS) == ""


def test_a_file_is_not_meant_for_the_folder_alone() -> None:
    assert near_miss("/home/me/configs/nope.py", FILES) == ""
    assert near_miss("/home/me/configs/digit.py", FILES) == f"; did you mean {FILES[1]!r}?"


def test_without_choices_nothing_is_suggested() -> None:
    assert near_miss("a", []) == ""
