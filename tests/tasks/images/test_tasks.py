"""The tasks made of images: the shapes of the paper, and everything that names one exactly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks import Resident, Task, make_task
from asrnn.tasks.images import sequences
from asrnn.tasks.images.sets import IMAGE_SETS
from asrnn.tasks.streams import Stream, permutation
from asrnn.tasks.table import TASKS

SHAPES = [
    ("digits", 64, 1),
    ("mnist", 784, 1),
    ("pmnist", 784, 1),
    ("fashion_mnist", 784, 1),
    ("cifar10", 1024, 3),
    ("permuted_cifar10", 1024, 3),
    ("noise_padded_cifar10", 1000, 96),
]


def images(name: str, count: int = 3) -> jax.Array:
    shape = (count, *IMAGE_SETS[TASKS[name].image_set].shape)
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def keys(count: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), count)


def sequence(task: Task, pictures: jax.Array, seed: int = 0) -> np.ndarray:
    assert isinstance(task.source, Resident)
    return np.asarray(jax.jit(task.source.sequence)(pictures, keys(len(pictures), seed)))


@pytest.mark.parametrize(("name", "length", "input_size"), SHAPES)
@pytest.mark.parametrize("noise", ["fresh", "fixed"])
def test_a_task_has_the_shape_it_states(
    name: str, length: int, input_size: int, noise: str
) -> None:
    task = make_task(name, noise=noise)
    assert (task.length, task.input_size, task.output_size) == (length, input_size, 10)
    assert (task.targets, task.every_step) == ("class", False)
    steps = sequence(task, images(name))
    assert steps.shape == (length, 3, input_size) and steps.dtype == jnp.float32
    signal = steps[:32] if name == "noise_padded_cifar10" else steps
    assert 0 <= signal.min() < 0.1 and 0.9 < signal.max() <= 1


@pytest.mark.parametrize(("name", "length", "input_size"), SHAPES)
def test_pooled_images_make_shorter_sequences(name: str, length: int, input_size: int) -> None:
    task = make_task(name, pool=2)
    rows = name == "noise_padded_cifar10"
    expected = (length, input_size // 2) if rows else (length // 4, input_size)
    assert (task.length, task.input_size) == expected
    assert sequence(task, images(name)).shape == (expected[0], 3, expected[1])
    assert task.notes["pool"] == 2


@pytest.mark.parametrize(
    ("augment", "flips", "shifts"),
    [("flip", True, False), ("shift", False, True), ("flip_and_shift", True, True)],
)
def test_training_images_are_augmented_as_the_task_says(
    augment: str, flips: bool, shifts: bool
) -> None:
    task = make_task("cifar10", augment=augment)
    assert isinstance(task.source, Resident) and task.source.augment is not None
    ramp = np.tile(np.arange(1, 33, dtype=np.uint8)[None, None, :, None], (40, 32, 1, 3))
    found = np.asarray(task.source.augment(ramp, jax.random.split(jax.random.key(0), 40)))
    middle = found[:, 16, 14:18, 0].astype(int)
    assert set(np.sign(np.diff(middle)).ravel()) == ({-1, 1} if flips else {1})
    assert ((found == 0).any((1, 2, 3)).sum() > 30) == shifts
    assert task.notes == {"augment": augment}


def test_mirrored_digits_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.augment=flip would make other characters"):
        make_task("pmnist", augment="flip")


def test_pooled_pixels_are_scaled_after_their_mean() -> None:
    found = sequence(make_task("mnist", pool=4), images("mnist"))
    means = np.asarray(images("mnist"), np.float64).reshape(3, 7, 4, 7, 4).mean((2, 4))
    np.testing.assert_allclose(found[:, :, 0], means.reshape(3, 49).T / 255, rtol=1e-6)


@pytest.mark.parametrize("name", ["mnist", "pmnist", "noise_padded_cifar10"])
def test_squares_that_do_not_cover_an_image_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"task\.pool must divide the sides of the images"):
        make_task(name, pool=5)


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion_mnist", "cifar10"])
def test_standardized_pixels_have_the_constants_of_their_set(name: str) -> None:
    task, facts = make_task(name, pixels="standardized"), IMAGE_SETS[TASKS[name].image_set]
    unit = sequence(make_task(name), images(name)).astype(np.float64)
    expected = (unit - np.array(facts.mean)) / np.array(facts.std)
    np.testing.assert_allclose(sequence(task, images(name)), expected, atol=1e-5)
    assert task.notes["pixels"] == "standardized"


def test_the_constants_of_the_digits_are_those_of_their_training_images() -> None:
    train = make_task("digits").source.load(print).train["inputs"] / 255
    assert IMAGE_SETS["digits"].mean[0] == pytest.approx(train.mean(), abs=5e-5)
    assert IMAGE_SETS["digits"].std[0] == pytest.approx(train.std(), abs=5e-5)


def test_defaults_leave_no_notes() -> None:
    assert make_task("mnist").notes == {}


@pytest.mark.parametrize("name", [name for name, _, size in SHAPES if size != 96])
def test_pixels_do_not_depend_on_the_keys(name: str) -> None:
    first, second = (sequence(make_task(name), images(name), seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_the_permutation_for_seed_0_is_pinned() -> None:
    assert make_task("pmnist").notes == {
        "permutation_seed": 0,
        "permutation_sha256": "a5cd8f0af80f5b6b",
    }


@pytest.mark.parametrize(
    ("name", "plain", "count"), [("pmnist", "mnist", 784), ("permuted_cifar10", "cifar10", 1024)]
)
def test_a_permuted_task_permutes_by_its_seed(name: str, plain: str, count: int) -> None:
    task = make_task(name, permutation_seed=7)
    order = permutation(7, Stream.PIXEL_PERMUTATION, 0, count)
    expected = sequences.scaled(sequences.pixels(images(plain)))[order]
    np.testing.assert_array_equal(sequence(task, images(name)), expected)
    assert task.notes["permutation_seed"] == 7
    assert task.notes["permutation_sha256"] != make_task(name).notes["permutation_sha256"]


def test_fresh_noise_changes_with_the_keys() -> None:
    task = make_task("noise_padded_cifar10")
    assert task.notes == {"noise": "fresh"}
    first, second = (sequence(task, images(task.name), seed) for seed in (0, 1))
    np.testing.assert_array_equal(first[:32], second[:32])
    assert not np.any(first[32:] == second[32:])


def test_a_padded_sequence_has_the_length_that_is_asked_for() -> None:
    short, long = (make_task("noise_padded_cifar10", padded_length=length) for length in (33, 50))
    assert (short.length, long.length) == (33, 50)
    found = [sequence(task, images(task.name)) for task in (short, long)]
    assert [steps.shape[0] for steps in found] == [33, 50]
    np.testing.assert_array_equal(found[0][:32], found[1][:32])
    assert sequence(make_task("noise_padded_cifar10", padded_length=32), images(short.name)).any()
    with pytest.raises(ConfigError, match=r"padded_length=15 is less than the 16 rows of an image"):
        make_task("noise_padded_cifar10", pool=2, padded_length=15)


def test_fixed_noise_changes_with_its_seed_only() -> None:
    task = make_task("noise_padded_cifar10", noise="fixed", seed=4)
    assert task.notes == {"noise": "fixed", "noise_seed": 4}
    first, second = (sequence(task, images(task.name), seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)
    other = make_task("noise_padded_cifar10", noise="fixed", seed=5)
    assert not np.any(first[32:] == sequence(other, images(task.name))[32:])
