"""Tasks: the shapes of the paper, and everything that names a task exactly."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks import TASKS, make_task
from asrnn.tasks.images import sequences
from asrnn.tasks.images.sets import IMAGE_SETS
from asrnn.tasks.streams import Stream, permutation


def images(image_set: str, count: int = 3) -> jax.Array:
    shape = (count, *IMAGE_SETS[image_set].shape)
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def keys(count: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), count)


@pytest.mark.parametrize(
    ("name", "image_set", "length", "input_size"),
    [
        ("digits", "digits", 64, 1),
        ("mnist", "mnist", 784, 1),
        ("pmnist", "mnist", 784, 1),
        ("fashion_mnist", "fashion_mnist", 784, 1),
        ("cifar10", "cifar10", 1024, 3),
        ("permuted_cifar10", "cifar10", 1024, 3),
        ("noise_padded_cifar10", "cifar10", 1000, 96),
    ],
)
@pytest.mark.parametrize("noise", ["fresh", "fixed"])
def test_a_task_has_the_shape_it_states(
    name: str, image_set: str, length: int, input_size: int, noise: str
) -> None:
    task = make_task(name, noise=noise)
    assert (task.name, task.image_set, task.output_size) == (name, image_set, 10)
    assert (task.length, task.input_size) == (length, input_size)
    steps = jax.jit(task.sequence)(images(image_set), keys(3))
    assert steps.shape == (length, 3, input_size) and steps.dtype == jnp.float32
    signal = steps[:32] if name == "noise_padded_cifar10" else steps
    assert 0 <= signal.min() < 0.1 and 0.9 < signal.max() <= 1


@pytest.mark.parametrize("name", list(TASKS))
def test_images_can_be_pooled_and_standardized(name: str) -> None:
    task = make_task(name, pool=2, pixels="standardized")
    plain = make_task(name)
    rows = name == "noise_padded_cifar10"
    assert task.length == (plain.length if rows else plain.length // 4)
    assert task.input_size == (plain.input_size // 2 if rows else plain.input_size)
    steps = jax.jit(task.sequence)(images(task.image_set), keys(3))
    assert steps.shape == (task.length, 3, task.input_size) and steps.dtype == jnp.float32
    assert steps.min() < 0
    assert (task.notes["pool"], task.notes["pixels"]) == (2, "standardized")
    assert not {"pool", "pixels"} & plain.notes.keys()


def test_a_pool_that_does_not_divide_the_side_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pool must divide .* of mnist, 28; found 3$"):
        make_task("mnist", pool=3)


def test_every_task_says_where_its_data_come_from() -> None:
    assert TASKS["digits"].sources == ("bundled",)
    assert {entry.sources for name, entry in TASKS.items() if name != "digits"} == {
        ("tfds", "files")
    }


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
    with pytest.raises(ConfigError, match=r"noise_padded_cifar10; found 'pmnits'; .* 'pmnist'\?"):
        make_task("pmnits")


def test_an_unknown_noise_is_refused_whatever_the_task() -> None:
    with pytest.raises(ConfigError, match=r"task.noise must be one of fresh, fixed, found 'fixd'"):
        make_task("digits", noise="fixd")


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no task has an option 'pol'; did you mean 'pool'\?"):
        make_task("digits", pol=2)


def test_importing_the_tasks_stays_light() -> None:
    heavy = ("tensorflow_datasets", "tensorflow", "sklearn", "matplotlib", "PIL", "array_record")
    code = f"import sys, asrnn.tasks; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
