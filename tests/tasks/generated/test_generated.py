"""The generated tasks: every example is what the papers say, and a function of its key."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks import Generated, Task, make_task

NAMES = ("adding", "copying")


def examples(task: Task, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    assert isinstance(task.source, Generated)
    keys = jax.random.split(jax.random.key(seed), count)
    found = jax.jit(jax.vmap(task.source.example))(keys)
    return {name: np.asarray(array) for name, array in found.items()}


@pytest.mark.parametrize("length", [2, 7, 50])
def test_the_target_of_adding_is_the_sum_of_the_two_marked_numbers(length: int) -> None:
    task = make_task("adding", length=length)
    assert (task.length, task.input_size, task.output_size) == (length, 2, 1)
    assert (task.targets, task.every_step) == ("real", False)
    found = examples(task, 200)
    values, marks = found["inputs"][..., 0], found["inputs"][..., 1]
    assert found["inputs"].shape == (200, length, 2) and found["inputs"].dtype == np.float32
    assert np.all((values >= 0) & (values < 1)) and set(np.unique(marks)) <= {0.0, 1.0}
    assert np.all(marks[:, : length // 2].sum(1) == 1)
    assert np.all(marks[:, length // 2 :].sum(1) == 1)
    np.testing.assert_allclose(found["targets"][:, 0], (values * marks).sum(1), rtol=1e-6)


def test_the_marks_of_adding_are_everywhere_in_their_halves() -> None:
    marks = examples(make_task("adding", length=10), 2000)["inputs"][..., 1]
    np.testing.assert_allclose(marks.mean(0), 0.2, atol=0.04)


def test_who_always_answers_one_has_a_squared_error_of_a_sixth() -> None:
    targets = examples(make_task("adding"), 4000)["targets"]
    assert ((targets - 1) ** 2).mean() == pytest.approx(1 / 6, rel=0.05)


def test_adding_needs_a_step_for_each_mark() -> None:
    with pytest.raises(ConfigError, match=r"task\.length must be at least 2 for adding, found 1"):
        make_task("adding", length=1)


@pytest.mark.parametrize("length", [1, 2, 30])
def test_copying_shows_ten_symbols_and_wants_them_back(length: int) -> None:
    task = make_task("copying", length=length)
    assert (task.length, task.input_size, task.output_size) == (length + 20, 10, 9)
    assert (task.targets, task.every_step) == ("class", True)
    found = examples(task, 100)
    assert found["inputs"].dtype == np.float32 and np.all(found["inputs"].sum(-1) == 1)
    assert found["targets"].dtype == np.int32
    shown, targets = found["inputs"].argmax(-1), found["targets"]
    symbols = shown[:, :10]
    blanks = np.full((100, length + 10), 8)
    assert symbols.min() == 0 and symbols.max() == 7
    np.testing.assert_array_equal(shown[:, 10 : 9 + length], blanks[:, : length - 1])
    np.testing.assert_array_equal(shown[:, 9 + length], 9)
    np.testing.assert_array_equal(shown[:, 10 + length :], blanks[:, :10])
    np.testing.assert_array_equal(targets, np.concatenate([blanks, symbols], axis=1))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_depends_on_its_key_only(name: str) -> None:
    task = make_task(name, length=12)
    assert isinstance(task.source, Generated)
    together = examples(task, 5)
    for i, key in enumerate(jax.random.split(jax.random.key(0), 5)):
        for field, alone in task.source.example(key).items():
            np.testing.assert_array_equal(together[field][i], alone)
    other = examples(task, 5, seed=1)
    assert np.any(together["inputs"] != other["inputs"])


@pytest.mark.parametrize("name", NAMES)
def test_generated_tasks_of_the_same_options_are_the_same(name: str) -> None:
    one, other = (make_task(name, length=12).source for _ in range(2))
    assert one == other != make_task(name, length=13).source
