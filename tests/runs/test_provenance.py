"""What a summary says of where its numbers come from."""

import json
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import asrnn
from asrnn.runs.provenance import git_state, sha256_of
from asrnn.tasks import make_task
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import stop, summary, tiny_config


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", folder, *identity, *words], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_git_tells_the_commit_and_whether_the_source_is_that_of_it(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert git_state(package) is None
    git(tmp_path, "init", "-q")
    git_state.cache_clear()
    assert git_state(package) is None  # within a repository that does not track it
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git_state.cache_clear()
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes").write_text("beside the package")
    assert git_state(package) == {"commit": commit, "clean": True}
    (package / "more.py").write_text("")
    git_state.cache_clear()
    assert git_state(package) == {"commit": commit, "clean": False}
    git_state.cache_clear()


def test_the_hash_of_data_is_that_of_names_types_shapes_and_values() -> None:
    base = {"inputs": np.arange(6, dtype=np.uint8).reshape(2, 3), "targets": np.zeros(2)}
    others = [
        {**base, "inputs": base["inputs"].reshape(3, 2)},
        {**base, "inputs": base["inputs"].view(np.int8)},
        {**base, "inputs": base["inputs"] + np.uint8(1)},
        {"inputs": base["inputs"], "labels": base["targets"]},
    ]
    assert len({sha256_of(part) for part in (base, *others)}) == 5
    backwards = {name: np.asfortranarray(base[name]) for name in ("targets", "inputs")}
    assert sha256_of(backwards) == sha256_of(base)
    assert len(sha256_of({"inputs": np.zeros((0, 3))})) == 64


def test_the_summary_of_a_run_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(seed=7)
    before = datetime.now(UTC).replace(microsecond=0)
    stop(monkeypatch, tmp_path, config, step=3)
    stopped = summary(tmp_path)
    found = train_and_evaluate(config, tmp_path)
    assert found["version"] == asrnn.__version__
    assert found["git"] == git_state(Path(asrnn.__file__).parent)
    assert shlex.split(found["command"]) == sys.orig_argv
    assert found["host"] == platform.node()
    assert found["seeds"] == {"seed": 7}
    data = make_task("digits").source.load(print)
    assert found["data_sha256"] == {"train": sha256_of(data.train), "test": sha256_of(data.test)}
    assert found["started"] == stopped["started"]  # of the run, not of its last process
    started, ended = (datetime.fromisoformat(found[name]) for name in ("started", "ended"))
    assert before <= started <= ended <= datetime.now(UTC)
    assert json.loads(json.dumps(found)) == found


def test_generated_data_have_no_hash_and_permuted_ones_a_seed(tmp_path: Path) -> None:
    found = train_and_evaluate(
        tiny_config(
            task__name="adding",
            task__source="generated",
            task__length=4,
            task__test_size=20,
            task__validation_size=0,
            objective__name="squared_error",
            training__steps=1,
        ),
        tmp_path,
    )
    assert found["data_sha256"] == {}
    assert found["seeds"] == {"seed": 0}
