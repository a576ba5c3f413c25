"""Commands in places that are less comfortable than the desk they were written at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asrnn.recurrence.native import cpu
from tests.training.runs import REPOSITORY, assert_same_run, summary

RUN = (
    *("--config.training.steps=20", "--config.training.eval_every=10", "--config.seed=3"),
    *("--config.model.hidden_size=16", "--config.training.batch_size=31"),
)
TIMEOUT = 400.0

BARE = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(REPOSITORY),
    "JAX_PLATFORMS": "cpu",
    # No home that could be written, no language, no network.
    **{"HOME": "/dev/null/nobody", "LC_ALL": "C"},
    **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
}


def start(folder: Path, workdir: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`asrnn train` on the digits without a terminal, in a folder."""
    config = f"--config={REPOSITORY / 'configs' / 'digits.py'}"
    return subprocess.Popen(
        [sys.executable, "-m", "asrnn.train", config, f"--workdir={workdir}", *RUN, *arguments],
        cwd=folder,
        env=BARE | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What it said; it has to have succeeded without a traceback or another's warning."""
    said, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "Warning" not in said
    return said


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_needs_no_home_no_language_no_network_and_no_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "ein Ordner für Läufe"
    folder.mkdir()
    said = ended(start(folder, "größe 1"))
    assert "20/20" in said
    assert summary(folder / "größe 1")["status"] == "done"
    again = ended(start(folder, "größe 1"))
    assert "test accuracy" in again
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    refused = start(folder, "größe 2", **ascii_only)
    said, _ = refused.communicate(timeout=TIMEOUT)
    assert refused.returncode == 5
    assert "is no text in the encoding of this shell, ascii; set PYTHONUTF8=1" in said
    assert "Traceback" not in said
    assert not (folder / "größe 2").exists()


@pytest.mark.slow
@pytest.mark.skipif(cpu.available() is not None, reason="no native kernel here")
def test_two_first_runs_at_once_share_the_caches(tmp_path: Path) -> None:
    shared = {"ASRNN_CACHE_DIR": str(tmp_path / "cache")}
    native_only = "--config.recurrence.backend=native"
    both = [start(tmp_path, name, native_only, **shared) for name in "ab"]
    for process in both:
        ended(process)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    left = [path.name for path in (tmp_path / "cache" / "native").iterdir()]
    assert len([name for name in left if name.endswith(".so")]) == 1
    assert not [name for name in left if name.startswith(".") and ".so" in name]
