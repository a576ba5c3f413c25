"""Tasks: the shapes that they state, and what objective and readout suit them."""

from __future__ import annotations

import subprocess
import sys

import jax
import pytest

from asrnn.errors import ConfigError
from asrnn.objectives import CROSS_ENTROPY, SQUARED_ERROR
from asrnn.options import union
from asrnn.tasks import TASKS, Generated, check_fits, make_task

WITHOUT_DATA = [name for name in TASKS if name != "npz"]


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_task_is_made_with_its_defaults(name: str) -> None:
    task = make_task(name)
    assert task.name == name
    assert min(task.length, task.input_size, task.output_size) >= 1
    assert isinstance(task.source, Generated) == (TASKS[name].sources == ("generated",))


def test_options_of_one_name_are_one_option() -> None:
    options = union(TASKS.values())
    assert {"pixels", "pool", "permutation_seed", "noise", "length", "test_size"} <= options.keys()


def test_an_unknown_task_is_refused_with_the_names_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"noise_padded_cifar10, .*'pmnits'; .* 'pmnist'\?"):
        make_task("pmnits")


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.source for mnist must be one of tfds, files"):
        make_task("mnist", source="bundled")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("noise_padded_cifar10", "noise", "fixd"),
        ("mnist", "pixels", "raw"),
        ("mnist", "pool", 0),
        ("cifar10", "augment", "crop"),
        ("adding", "length", 0),
        ("adding", "test_size", 0),
        ("pmnist", "permutation_seed", -1),
    ],
)
def test_an_option_that_cannot_be_is_refused(name: str, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"config\.task\.{field} must be .*, found {value!r}"):
        make_task(name, **{field: value})


def test_a_task_passes_over_the_options_of_others() -> None:
    assert make_task("digits", noise="fixed").notes == make_task("digits").notes


@pytest.mark.parametrize(
    ("name", "objective", "readout"),
    [
        ("digits", CROSS_ENTROPY, "last"),
        ("digits", CROSS_ENTROPY, "mean"),
        ("adding", SQUARED_ERROR, "last"),
        ("copying", CROSS_ENTROPY, "every_step"),
    ],
)
def test_what_suits_a_task_is_taken(name: str, objective, readout: str) -> None:
    check_fits(make_task(name), objective, readout)


@pytest.mark.parametrize(
    ("name", "objective", "readout", "give"),
    [
        ("adding", CROSS_ENTROPY, "last", "--config.objective.name=squared_error"),
        ("digits", SQUARED_ERROR, "last", "--config.objective.name=cross_entropy"),
        ("digits", CROSS_ENTROPY, "every_step", "--config.model.readout=last or mean"),
        ("copying", CROSS_ENTROPY, "last", "--config.model.readout=every_step"),
        ("copying", CROSS_ENTROPY, "mean", "--config.model.readout=every_step"),
    ],
)
def test_what_does_not_suit_a_task_is_refused_with_what_does(
    name: str, objective, readout: str, give: str
) -> None:
    with pytest.raises(ConfigError, match=f"{name} .*give {give}$"):
        check_fits(make_task(name), objective, readout)


def test_a_generated_task_has_nothing_to_load() -> None:
    data = make_task("adding").source.load(print)
    assert (data.train, data.test, data.origin) == ({}, {}, "generated")


def test_tasks_are_made_within_a_trace() -> None:
    shape = jax.eval_shape(lambda: jax.numpy.zeros(make_task("pmnist").length))
    assert shape.shape == (784,)


def test_importing_the_tasks_stays_light() -> None:
    heavy = ("tensorflow_datasets", "tensorflow", "sklearn", "matplotlib", "PIL", "array_record")
    code = f"import sys, asrnn.tasks; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
