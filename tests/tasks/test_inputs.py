"""What is to be predicted: an .npz file, or pictures of the size of the task's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asrnn.errors import DataError
from asrnn.tasks import make_task
from asrnn.tasks.inputs import found_files, read_inputs

DIGITS = make_task("digits")
CIFAR = make_task("cifar10")
SEQUENCES = make_task("adding")
GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_pictures_come_in_the_order_given_and_patterns_in_alphabetical_order(
    tmp_path: Path,
) -> None:
    for name in ("b", "a", "z"):
        save(tmp_path / f"{name}.png", GRAY + ord(name))
    inputs, names = read_inputs(
        DIGITS, found_files([str(tmp_path / "z.png"), str(tmp_path / "[ab].png")])
    )
    assert [Path(name).stem for name in names] == ["z", "a", "b"]
    assert (inputs.dtype, inputs.shape) == (np.uint8, (3, 8, 8, 1))
    np.testing.assert_array_equal(inputs[:, 0, 0, 0], [ord(name) for name in "zab"])


def test_colours_become_gray_and_gray_becomes_colours_as_the_task_has_them(tmp_path: Path) -> None:
    colours = save(tmp_path / "colours.png", np.repeat(GRAY[..., None], 3, -1))
    np.testing.assert_array_equal(read_inputs(DIGITS, [colours]).inputs[0, ..., 0], GRAY)
    gray = save(tmp_path / "gray.png", np.tile(GRAY, (4, 4)))
    found = read_inputs(CIFAR, [gray]).inputs
    assert found.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(found[0, :8, :8, 2], GRAY)


@pytest.mark.parametrize(
    "arrays", [{"inputs": GRAY[None], "targets": np.zeros(1)}, {"x": GRAY[None]}]
)
def test_an_npz_file_has_inputs_or_one_array(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **arrays)
    inputs, names = read_inputs(DIGITS, [tmp_path / "in.npz"])
    np.testing.assert_array_equal(inputs, GRAY[None])
    assert names == ["0"]


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    small = save(tmp_path / "small.png", GRAY[:4])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    np.savez(tmp_path / "two.npz", a=GRAY, b=GRAY)
    np.savez(tmp_path / "scalar.npz", inputs=np.float32(1))
    np.savez(tmp_path / "objects.npz", inputs=np.array([{}], object))
    for task, files, words in [
        (DIGITS, ["none.png"], "none.png not found; check the path"),
        (DIGITS, [f"{tmp_path}/*.jpg"], "not found"),
        (DIGITS, [small], r"has 4 x 8 pixels .* have 8 x 8; scale it first"),
        (DIGITS, [text], "is not a readable picture"),
        (DIGITS, [tmp_path / "two.npz"], "has no array 'inputs' among its arrays: a, b"),
        (DIGITS, [tmp_path / "scalar.npz"], "a single number"),
        (DIGITS, [tmp_path / "objects.npz"], "not a readable .npz file"),
        (DIGITS, [tmp_path / "two.npz", small], "can only be read by itself"),
        (SEQUENCES, [small], "task adding has no images"),
    ]:
        with pytest.raises(DataError, match=words) as it:
            read_inputs(task, found_files([str(file) for file in files]))
        assert "\n" not in str(it.value)
