"""Tasks: the shapes of the paper, and everything that names a task exactly."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks import SOURCES_OF, TASKS, make_task, sequences
from asrnn.tasks.streams import Stream, permutation

IMAGE_SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


def images(image_set: str, count: int = 3) -> jax.Array:
    shape = (count, *IMAGE_SHAPES[image_set])
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def keys(count: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), count)


@pytest.mark.parametrize(
    ("name", "image_set", "length", "input_size"),
    [
        ("digits", "digits", 64, 1),
        ("mnist", "mnist", 784, 1),
        ("pmnist", "mnist", 784, 1),
        ("cifar10", "cifar10", 1024, 3),
        ("noise_padded_cifar10", "cifar10", 1000, 96),
    ],
)
@pytest.mark.parametrize("noise", ["fresh", "fixed"])
def test_a_task_has_the_shape_it_states(
    name: str, image_set: str, length: int, input_size: int, noise: str
) -> None:
    task = make_task(name, noise=noise)
    assert (task.name, task.image_set, task.num_classes) == (name, image_set, 10)
    assert (task.length, task.input_size) == (length, input_size)
    steps = jax.jit(task.sequence)(images(image_set), keys(3))
    assert steps.shape == (length, 3, input_size) and steps.dtype == jnp.float32
    signal = steps[:32] if name == "noise_padded_cifar10" else steps
    assert 0 <= signal.min() < 0.1 and 0.9 < signal.max() <= 1


def test_every_task_has_sources() -> None:
    assert SOURCES_OF.keys() == TASKS.keys()


@pytest.mark.parametrize("name", ["digits", "mnist", "pmnist", "cifar10"])
def test_pixels_do_not_depend_on_the_keys(name: str) -> None:
    task = make_task(name)
    first, second = (task.sequence(images(task.image_set), keys(3, seed)) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_the_permutation_for_seed_0_is_pinned() -> None:
    assert make_task("pmnist").notes == {
        "permutation_seed": 0,
        "permutation_sha256": "a5cd8f0af80f5b6b",
    }


def test_permuted_mnist_permutes_by_its_seed() -> None:
    task = make_task("pmnist", permutation_seed=7)
    order = permutation(7, Stream.PIXEL_PERMUTATION, 0, 784)
    expected = sequences.pixels(images("mnist"))[order]
    np.testing.assert_array_equal(task.sequence(images("mnist"), keys(3)), expected)
    assert task.notes["permutation_seed"] == 7
    assert task.notes["permutation_sha256"] != make_task("pmnist").notes["permutation_sha256"]


def test_fresh_noise_changes_with_the_keys() -> None:
    task = make_task("noise_padded_cifar10")
    assert task.notes == {"noise": "fresh"}
    first, second = (task.sequence(images("cifar10"), keys(3, seed)) for seed in (0, 1))
    np.testing.assert_array_equal(first[:32], second[:32])
    assert not np.any(np.asarray(first[32:]) == np.asarray(second[32:]))


def test_fixed_noise_changes_with_its_seed_only() -> None:
    task = make_task("noise_padded_cifar10", noise="fixed", noise_seed=4)
    assert task.notes == {"noise": "fixed", "noise_seed": 4}
    first, second = (task.sequence(images("cifar10"), keys(3, seed)) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)
    other = make_task("noise_padded_cifar10", noise="fixed", noise_seed=5)
    third = other.sequence(images("cifar10"), keys(3))
    assert not np.any(np.asarray(first[32:]) == np.asarray(third[32:]))


def test_an_unknown_task_is_refused_with_the_names_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'pmnits'.* noise_padded_cifar10; .* pmnist\?"):
        make_task("pmnits")


def test_an_unknown_noise_is_refused_whatever_the_task() -> None:
    with pytest.raises(ConfigError, match=r"'fixd'; there are fresh, fixed; .* fixed\?"):
        make_task("digits", noise="fixd")


def test_importing_the_tasks_stays_light() -> None:
    heavy = ("tensorflow_datasets", "tensorflow", "sklearn", "matplotlib", "PIL", "array_record")
    code = f"import sys, asrnn.tasks; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
