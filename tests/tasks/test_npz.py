"""One's own data: what is taken from an .npz file, and one line about whatever is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.errors import ConfigError, DataError
from asrnn.tasks import DataSet, Resident, Task, make_task
from asrnn.tasks.streams import Stream, permutation

N, T, M, K = 40, 6, 3, 2
RANDOM = np.random.default_rng(0)
SEQUENCES = RANDOM.normal(size=(N, T, M))
IMAGES = RANDOM.integers(0, 256, (N, 4, 2, 3), np.uint8)
CLASSES = np.arange(N) % 5
CLASSES_PER_STEP = np.arange(N * T).reshape(N, T) % 4
NUMBERS = RANDOM.normal(size=(N, K))
NUMBERS_PER_STEP = RANDOM.normal(size=(N, T, K))
VALID: dict[str, Any] = {"inputs": SEQUENCES, "targets": CLASSES}


def write(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def task(path: Path, **options: Any) -> Task:
    return make_task("npz", data_dir=str(path), **{"test_size": 10, **options})


def load(made: Task) -> DataSet:
    return made.source.load(print)


def sequence(made: Task, inputs: np.ndarray) -> np.ndarray:
    assert isinstance(made.source, Resident)
    keys = jax.random.split(jax.random.key(0), len(inputs))
    return np.asarray(made.source.sequence(jax.numpy.asarray(inputs), keys))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_sequences_become_time_major_float32(tmp_path: Path, dtype: type) -> None:
    made = task(write(tmp_path, inputs=SEQUENCES.astype(dtype), targets=CLASSES))
    assert (made.length, made.input_size, made.output_size) == (T, M, 5)
    data = load(made)
    assert data.train["inputs"].dtype == np.float32
    found = sequence(made, data.train["inputs"])
    np.testing.assert_array_equal(found, data.train["inputs"].transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("targets", "kind", "every_step", "size"),
    [
        (CLASSES, "class", False, 5),
        (CLASSES.astype(np.uint8), "class", False, 5),
        (CLASSES_PER_STEP, "class", True, 4),
        (NUMBERS[:, 0], "real", False, 1),
        (NUMBERS, "real", False, K),
        (NUMBERS_PER_STEP, "real", True, K),
    ],
)
def test_dtype_and_shape_of_the_targets_say_what_they_are(
    tmp_path: Path, targets: np.ndarray, kind: str, every_step: bool, size: int
) -> None:
    made = task(write(tmp_path, inputs=SEQUENCES, targets=targets))
    assert (made.targets, made.every_step, made.output_size) == (kind, every_step, size)
    assert load(made).train["targets"].dtype == (np.int32 if kind == "class" else np.float32)


@pytest.mark.parametrize("pixels", ["unit", "standardized"])
@pytest.mark.parametrize("pool", [1, 2])
def test_images_are_read_pixel_by_pixel(tmp_path: Path, pixels: str, pool: int) -> None:
    made = task(write(tmp_path, inputs=IMAGES, targets=CLASSES), pixels=pixels, pool=pool)
    assert (made.length, made.input_size) == (8 // pool**2, 3)
    data = load(made)
    assert data.train["inputs"].dtype == np.uint8
    unit = IMAGES / 255
    if pixels == "standardized":
        unit = (unit - unit.mean((0, 1, 2))) / unit.std((0, 1, 2))
    pooled = unit.reshape(N, 4 // pool, pool, 2 // pool, pool, 3).mean((2, 4))
    expected = pooled.reshape(N, -1, 3).transpose(1, 0, 2)
    np.testing.assert_allclose(sequence(made, IMAGES), expected, atol=1e-5)


def test_images_without_channels_have_one(tmp_path: Path) -> None:
    made = task(write(tmp_path, inputs=IMAGES[..., 0], targets=CLASSES))
    assert (made.length, made.input_size) == (8, 1)
    assert load(made).train["inputs"].shape == (N - 10, 4, 2, 1)


def test_the_test_part_is_chosen_by_its_own_seed(tmp_path: Path) -> None:
    path = write(tmp_path, inputs=SEQUENCES, targets=CLASSES)
    order = permutation(3, Stream.TEST_SPLIT, 0, N)
    for run in (0, 1):
        data = load(task(path, split_seed=3, seed=run))
        np.testing.assert_array_equal(data.test["targets"], CLASSES[np.sort(order[:10])])
        np.testing.assert_array_equal(data.train["targets"], CLASSES[np.sort(order[10:])])
        assert data.validation is None


def test_parts_of_their_own_are_taken_as_they_are(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        **VALID,
        mask=CLASSES > 0,
        inputs_validation=SEQUENCES[:3],
        targets_validation=CLASSES[:3],
        inputs_test=SEQUENCES[3:8],
        targets_test=CLASSES[3:8],
    )
    made = task(path)
    assert made.source.has_validation
    data = load(made)
    assert data.validation is not None
    np.testing.assert_array_equal(data.train["targets"], CLASSES)
    np.testing.assert_array_equal(data.train["mask"], CLASSES > 0)
    np.testing.assert_array_equal(data.validation["targets"], CLASSES[:3])
    np.testing.assert_array_equal(data.test["targets"], CLASSES[3:8])
    assert "mask" not in data.test


def test_a_mask_comes_with_its_examples_and_hides_what_is_no_target(tmp_path: Path) -> None:
    mask = np.zeros((N, T), bool)
    mask[:, ::2] = True
    numbers = np.where(mask[..., None], NUMBERS_PER_STEP, np.nan)
    data = load(task(write(tmp_path, inputs=SEQUENCES, targets=numbers, mask=mask)))
    assert data.train["mask"].shape == (N - 10, T) and data.test["mask"].shape == (10, T)


def test_the_classes_are_counted_over_all_parts(tmp_path: Path) -> None:
    more = {"inputs_test": SEQUENCES[:1], "targets_test": np.array([9])}
    assert task(write(tmp_path, **VALID, **more)).output_size == 10


def test_the_summary_tells_which_file_it_was(tmp_path: Path) -> None:
    first = task(write(tmp_path, **VALID)).notes
    second = task(write(tmp_path, inputs=SEQUENCES + 1, targets=CLASSES)).notes
    assert first.keys() == {"npz_sha256"} and first != second


def test_no_path_is_said_with_the_flag_to_give() -> None:
    with pytest.raises(ConfigError, match=r"--config\.task\.data_dir=FILE\.npz"):
        make_task("npz")


@pytest.mark.parametrize(("field", "value"), [("pixels", "standardized"), ("pool", 2)])
def test_sequences_have_no_pixels(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"task\.{field} is for images, and .* has sequences"):
        task(write(tmp_path, **VALID), **{field: value})


def test_a_test_part_that_leaves_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"test_size must be from 0 to {N - 1}.*found {N}"):
        load(task(write(tmp_path, **VALID), test_size=N))


def replaced(**arrays: Any) -> dict[str, Any]:
    return VALID | arrays


NAN = np.where(np.arange(N)[:, None, None] == 3, np.nan, SEQUENCES)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"inputs": SEQUENCES}, "no array 'targets'; it has inputs"),
        ({"targets": CLASSES}, "no array 'inputs'; it has targets"),
        (
            replaced(inputs_tset=SEQUENCES),
            "unknown array 'inputs_tset'; did you mean 'inputs_test'",
        ),
        (replaced(inputs_test=SEQUENCES), "no array 'targets_test'"),
        (replaced(mask_test=CLASSES > 0), "no array 'inputs_test'"),
        (replaced(targets=CLASSES[:-1]), "found 40 inputs and 39 targets"),
        (replaced(inputs=SEQUENCES[0]), r"must be sequences \[N, T, m\].*found float64 \[6, 3\]"),
        (replaced(inputs=IMAGES.astype(float)), r"found float64 \[40, 4, 2, 3\]"),
        (replaced(inputs=SEQUENCES[:0], targets=CLASSES[:0]), r"found float64 \[0, 6, 3\]"),
        (
            replaced(inputs=SEQUENCES.astype(complex)),
            "must be real numbers, found dtype complex128",
        ),
        (replaced(inputs=SEQUENCES.astype(str)), "must be real numbers, found dtype <U"),
        (replaced(inputs=NAN), r"inputs in .* not finite"),
        (replaced(inputs=SEQUENCES * 1e300), "too large for float32"),
        (replaced(targets=CLASSES - 1), "classes from 0, found -1"),
        (replaced(targets=CLASSES + 2**40), "classes from 0, found 1099"),
        (replaced(targets=CLASSES * 0), "one class only"),
        (
            replaced(targets=CLASSES_PER_STEP[:, 1:]),
            r"one for each of 6 steps, found shape \(40, 5\)",
        ),
        (replaced(targets=NUMBERS_PER_STEP[:, 1:]), "one for each of 6 steps"),
        (replaced(targets=CLASSES.astype(str)), r"integers .* or floats .* found <U"),
        (replaced(targets=CLASSES > 0), "found bool"),
        (replaced(targets=NUMBERS * np.nan), "not finite; mask it out"),
        (replaced(mask=CLASSES), r"mask in .* must be bool \[40\].*found int64 \[40\]"),
        (replaced(mask=CLASSES_PER_STEP > 0), r"must be bool \[40\].*found bool \[40, 6\]"),
        (replaced(mask=CLASSES < 0), "with a True in it"),
        (
            replaced(inputs_test=SEQUENCES[:, 1:], targets_test=CLASSES),
            r"inputs_test .* like inputs, float32 \[6, 3\] an example, found float32 \[5, 3\]",
        ),
        (
            replaced(inputs_test=SEQUENCES, targets_test=NUMBERS),
            "targets_test .* must be like targets",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = write(tmp_path, **arrays)
    with pytest.raises(DataError, match=said) as caught:
        task(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path, inputs=SEQUENCES, targets=np.array([{}] * N, object))
    with pytest.raises(DataError, match=r"not a readable .npz file of plain arrays"):
        task(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive", b"\x93NUMPY"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable .npz file") as caught:
        task(path)
    assert "\n" not in str(caught.value)


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", SEQUENCES)
    with pytest.raises(DataError, match=r"not a readable .npz file"):
        task(tmp_path / "data.npy")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, **VALID)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"not a readable .npz file"):
        task(path)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        task(tmp_path / "nowhere.npz")


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    assert task(write(tmp_path, **VALID)).length == T
    assert task(write(tmp_path, inputs=SEQUENCES[:, 1:], targets=CLASSES)).length == T - 1
