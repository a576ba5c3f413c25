"""What was saved comes back as it was, or is passed over with a warning; never half of it."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.errors import CheckpointError
from asrnn.files import write_atomically
from asrnn.runs import checkpoints as module
from asrnn.runs.checkpoints import Checkpoints
from tests.training.runs import arrays

Tree = dict[str, Any]


def tree(value: float, size: int = 5) -> Tree:
    return {
        "step": jnp.asarray(7, jnp.int32),
        "params": {"kernel": jnp.full((3, size), float(value)), "bias": jnp.arange(size) / 3},
        "empty": (),
    }


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the undamaged checkpoints 1 and 2; to be copied."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        checkpoints.save(step, tree(step), {"note": f"of {step}"}, best=None)
    return folder


@pytest.fixture
def folder(two_saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two_saved, tmp_path / "checkpoints"))


def test_a_checkpoint_comes_back_bit_for_bit_with_what_was_said_about_it(tmp_path: Path) -> None:
    awkward = {
        "normal": jax.random.normal(jax.random.key(0), (4, 3)),
        "odd": jnp.array([np.nan, np.inf, -0.0, 1e-45, np.finfo(np.float32).max]),
        "half": jnp.ones(3, jnp.bfloat16),
        "integer": jnp.array(2**31 - 1, jnp.int32),
        "flag": jnp.array(True),
    }
    info = {"best": {"step": None, "accuracy": 1 / 3}, "seconds": 0.1}
    checkpoints = Checkpoints(tmp_path / "a" / "b")
    checkpoints.save(3, awkward, info, best=None)
    found = checkpoints.latest(jax.tree.map(jnp.zeros_like, awkward))
    assert found is not None
    assert (found.step, found.info) == (3, info)
    assert arrays(found.tree) == arrays(awkward)
    assert [leaf.dtype for leaf in jax.tree.leaves(found.tree)] == [
        leaf.dtype for leaf in jax.tree.leaves(awkward)
    ]


def test_there_may_be_no_checkpoint_yet(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest(tree(0)) is None
    assert Checkpoints(tmp_path / "none").steps() == []


def test_restored_arrays_are_as_free_to_move_as_new_ones(folder: Path) -> None:
    """An array tied to a device would make jit compile its function a second time."""
    found = Checkpoints(folder).latest(tree(0))
    assert found is not None
    assert [leaf.committed for leaf in jax.tree.leaves(found.tree)] == [False] * 3


def test_the_two_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    kept = []
    for step, best in ((10, None), (20, 20), (30, 20), (40, 20), (50, 50), (60, 50), (70, 50)):
        checkpoints.save(step, tree(step), {}, best=best)
        kept.append(checkpoints.steps())
    assert kept == [
        [10],
        [10, 20],
        [20, 30],
        [20, 30, 40],
        [20, 40, 50],  # 20 is still the best to whoever has to fall back to 40
        [50, 60],
        [50, 60, 70],
    ]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["50", "60", "70"]


def test_saving_a_step_again_replaces_it(folder: Path) -> None:
    checkpoints = Checkpoints(folder)
    checkpoints.save(2, tree(5.0), {"note": "new"}, best=None)
    found = checkpoints.load(2, tree(0))
    assert found.info == {"note": "new"}
    assert arrays(found.tree) == arrays(tree(5.0))


# ---- damage


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    position = random.Random(path.name).randrange(8 * max(len(content), 1))
    if not content:
        content = bytearray(1)
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if content else b"more")


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\x00garbage" * 3)


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, garble, Path.unlink])
def test_damage_to_any_file_is_noticed_and_the_one_before_is_restored(
    damage: Callable[[Path], None], folder: Path
) -> None:
    names = [path.relative_to(folder) for path in files(folder / "2")]
    assert len(names) > 5
    for name in names:
        whole = (folder / name).read_bytes()
        damage(folder / name)
        said: list[str] = []
        found = Checkpoints(folder, report=said.append).latest(tree(0))
        (folder / name).write_bytes(whole)
        assert found is not None
        assert found.step == 1, name
        assert found.info == {"note": "of 1"}
        assert arrays(found.tree) == arrays(tree(1))
        assert len(said) == 1
        assert str(name) in said[0]
        assert "checkpoint 2 is damaged" in said[0]
        assert "\n" not in said[0]


def test_no_flipped_bit_in_a_manifest_changes_what_is_restored(folder: Path) -> None:
    manifest = folder / "2.json"
    whole = manifest.read_bytes()
    noticed = 0
    for position in random.Random(0).sample(range(8 * len(whole)), 60):
        content = bytearray(whole)
        content[position // 8] ^= 1 << position % 8
        manifest.write_bytes(content)
        said: list[str] = []
        found = Checkpoints(folder, report=said.append).latest(tree(0))
        assert found is not None
        assert arrays(found.tree) == arrays(tree(found.step))
        assert found.info == {"note": f"of {found.step}"}
        assert (found.step == 1) == bool(said)
        assert all("2.json" in line for line in said)
        noticed += found.step == 1
    assert noticed > 40  # the rest hit white space


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", "null", '{"files": 3}', '{"files": {}, "leaves": {}}', "{" * 5000]
)
def test_a_manifest_that_is_no_manifest_is_passed_over(text: str, folder: Path) -> None:
    (folder / "2.json").write_text(text)
    said: list[str] = []
    found = Checkpoints(folder, report=said.append).latest(tree(0))
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert "2.json" in said[0]


def test_an_added_file_counts_as_damage(folder: Path) -> None:
    (folder / "2" / "d" / "extra").write_text("")
    found = Checkpoints(folder, report=lambda line: None).latest(tree(0))
    assert found is not None
    assert found.step == 1


def test_what_has_no_manifest_is_no_checkpoint(folder: Path) -> None:
    """Orbax takes an empty folder for a checkpoint, and so a save that was cut short."""
    (folder / "3").mkdir()
    shutil.copytree(folder / "2", folder / "4")
    (folder / "5.orbax-checkpoint-tmp").mkdir()
    said: list[str] = []
    checkpoints = Checkpoints(folder, report=said.append)
    assert checkpoints.steps() == [1, 2]
    found = checkpoints.latest(tree(0))
    assert found is not None
    assert found.step == 2
    assert said == []


def test_leftovers_of_a_killed_save_are_cleared_away(folder: Path) -> None:
    (folder / "3").mkdir()
    (folder / "4.orbax-checkpoint-tmp").mkdir()
    (folder / "notes.txt").write_text("not ours")
    Checkpoints(folder).save(6, tree(6), {}, best=None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "2",
        "2.json",
        "6",
        "6.json",
        "notes.txt",
    ]


def test_an_empty_step_folder_with_a_manifest_is_passed_over(folder: Path) -> None:
    shutil.rmtree(folder / "2")
    (folder / "2").mkdir()
    said: list[str] = []
    found = Checkpoints(folder, report=said.append).latest(tree(0))
    assert found is not None
    assert found.step == 1
    assert len(said) == 1


def test_if_all_are_damaged_it_says_so_in_one_line(folder: Path) -> None:
    for step in (1, 2):
        (folder / str(step) / "_METADATA").unlink()
    said: list[str] = []
    with pytest.raises(CheckpointError, match=r"every checkpoint in .* is damaged") as error:
        Checkpoints(folder, report=said.append).latest(tree(0))
    assert "\n" not in str(error.value)
    assert [line[:12] for line in said] == ["checkpoint 2", "checkpoint 1"]


def test_a_damaged_one_that_is_asked_for_is_refused(folder: Path) -> None:
    (folder / "2" / "_METADATA").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint 2 .* damaged.*_METADATA"):
        Checkpoints(folder).load(2, tree(0))
    with pytest.raises(CheckpointError, match=r"checkpoint 9 .* damaged.*9\.json"):
        Checkpoints(folder).load(9, tree(0))


def test_what_is_saved_after_falling_back_outlives_the_damaged_ones(tmp_path: Path) -> None:
    """The damaged ones have higher numbers, and must not count as the latest."""
    checkpoints = Checkpoints(tmp_path, report=lambda line: None)
    for step in (10, 20, 30):
        checkpoints.save(step, tree(step), {}, best=10)
    for step in (20, 30):
        (tmp_path / str(step) / "_METADATA").unlink()
    found = checkpoints.latest(tree(0))
    assert found is not None
    assert found.step == 10
    checkpoints.save(12, tree(12), {}, best=10)
    assert checkpoints.steps() == [10, 12]
    found = checkpoints.latest(tree(0))
    assert found is not None
    assert found.step == 12


# ---- another model


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (tree(0, size=4), r"float32\[5\] for params\.bias, expected float32\[4\]"),
        (tree(0) | {"step": jnp.zeros(())}, r"int32\[\] for step, expected float32\[\]"),
        (tree(0) | {"more": jnp.zeros(2)}, r"nothing for more, expected float32\[2\]"),
        ({"step": tree(0)["step"]}, r"float32\[5\] for params\.bias, expected nothing"),
    ],
    ids=["shape", "dtype", "missing", "superfluous"],
)
def test_a_checkpoint_of_another_model_is_refused(template: Tree, words: str, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=words) as error:
        Checkpoints(folder).latest(template)
    assert "\n" not in str(error.value)


# ---- the disk


def test_a_failed_save_is_one_line_and_leaves_the_old_ones_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, flat: Tree) -> None:
        path.mkdir()
        (path / "half").write_text("written")
        raise ValueError("RESOURCE_EXHAUSTED: [Errno 28]\nNo space left on device")

    monkeypatch.setattr(module, "_orbax_save", full)
    checkpoints = Checkpoints(folder)
    with pytest.raises(CheckpointError, match="No space left") as error:
        checkpoints.save(3, tree(3), {}, best=None)
    assert "\n" not in str(error.value)
    assert checkpoints.steps() == [1, 2]
    for step in (1, 2):
        assert arrays(checkpoints.load(step, tree(0)).tree) == arrays(tree(step))


@pytest.mark.parametrize("name", ["replace", "unlink"])
def test_a_manifest_that_cannot_be_written_is_one_line(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    if name == "replace":
        monkeypatch.setattr(os, "replace", refuse)
    else:
        monkeypatch.setattr(module.Path, "unlink", refuse)
    with pytest.raises((CheckpointError, OSError), match="No space left") as error:
        Checkpoints(folder).save(3, tree(3), {}, best=None)
    monkeypatch.undo()
    assert isinstance(error.value, CheckpointError)
    assert Checkpoints(folder).steps() == [1, 2]


def test_a_file_is_replaced_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", lambda *args: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(CheckpointError, match=r"file\.json.*full"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]
    write_atomically(path, "new")
    assert path.read_text() == "new"


def test_every_kept_checkpoint_says_what_it_holds(two_saved: Path) -> None:
    manifest = json.loads((two_saved / "2.json").read_text())
    assert manifest["leaves"] == {
        "params.bias": "float32[5]",
        "params.kernel": "float32[3, 5]",
        "step": "int32[]",
    }
    assert set(manifest["files"]) == {
        str(path.relative_to(two_saved / "2")) for path in files(two_saved / "2")
    }


def test_too_few_open_files_are_one_line_that_says_so(folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"checkpoints.*ulimit -n") as refused:
            Checkpoints(folder).save(3, tree(3), {}, best=None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "\n" not in str(refused.value)
    assert Checkpoints(folder).steps() == [1, 2]
