"""Tiny runs of the bundled digits, what they left behind, and ways to hurt them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from asrnn.config import base_config
from asrnn.errors import Interrupted
from asrnn.files import unsealed
from asrnn.runs.checkpoints import Checkpoint, Checkpoints
from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import CHECKPOINTS, CONFIG, METRICS, read_config
from asrnn.training import dispatch_size, loop
from asrnn.training.experiment import make_experiment
from asrnn.training.loop import train_and_evaluate

REPOSITORY = Path(__file__).parents[2]

# The periods are pairwise coprime, and none but that of checkpoints divides the length.
TINY = {
    "task.validation_size": 100,
    "model.hidden_size": 8,
    "model.step_size": 0.1,
    "recurrence.backend": "scan",
    "optimizer.name": "adam",
    "optimizer.learning_rate": 0.01,
    "training.batch_size": 127,  # a prime: commands too have one device to share it, and equal bits
    "training.steps": 12,
    "training.log_every": 5,
    "training.eval_every": 7,
    "training.checkpoint_every": 4,
}

PATIENCE = 300.0  # seconds: a machine with other work is slow, and only a hang is a failure


def tiny_config(**changes: Any) -> ConfigDict:
    """The tiny run with fields changed; `__` stands for the dot."""
    config = base_config()
    fields = {name.replace("__", "."): value for name, value in changes.items()}
    config.update_from_flattened_dict(TINY | fields)
    return config


# ---- what a run left behind


def rows(workdir: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without the only field that the clock has a say in."""
    without = ("examples_per_second",)
    return [
        {name: value for name, value in row.items() if name not in without}
        for row in read_rows(workdir / METRICS)
    ]


def checkpoint(workdir: Path, step: int | None = None) -> Checkpoint:
    """The latest checkpoint, or that of a step; it has to be undamaged."""
    template = make_experiment(read_config(workdir / CONFIG)).initial_snapshot()
    damaged: list[str] = []
    checkpoints = Checkpoints(workdir / CHECKPOINTS, report=damaged.append)
    found = checkpoints.latest(template) if step is None else checkpoints.load(step, template)
    assert found is not None
    assert not damaged
    return found


def steps_kept(workdir: Path) -> list[int]:
    return Checkpoints(workdir / CHECKPOINTS).steps()


def arrays(tree: Any) -> dict[str, bytes]:
    """The bytes of every leaf, by path."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def summary(workdir: Path) -> dict[str, Any]:
    """summary.json; NaN, which is not JSON, is refused."""
    text = (workdir / "summary.json").read_text()
    return unsealed(json.loads(text, parse_constant=_refuse))


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


CLOCKED = ("seconds", "peak_memory_bytes", "command", "started", "ended")
"""What two summaries of one run may differ in."""


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit the same parameters, optimizer state, sums, metrics and scores."""
    assert rows(one) == rows(other)
    first, second = checkpoint(one), checkpoint(other)
    assert first.step == second.step
    assert arrays(first.tree) == arrays(second.tree)
    for name in CLOCKED:
        assert name in summary(one)
    left, right = (
        {name: value for name, value in summary(workdir).items() if name not in CLOCKED}
        for workdir in (one, other)
    )
    assert left == right


# ---- hurting a run of this process


class Killed(BaseException):
    """Stands for a kill -9 in a test that cannot afford a process of its own."""


def after_update(
    monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]
) -> pytest.MonkeyPatch:
    """Calls `act` once, when `step` updates have been made; one update per dispatch."""
    make = loop.make_train_steps

    def make_hurt(*args: Any) -> Callable[..., Any]:
        train_steps = make(*args)

        def hurt(*args: Any) -> Any:
            result = train_steps(*args)
            if int(result[0].step) == step:
                act()
            return result

        return hurt

    monkeypatch.setattr(dispatch_size, "SECONDS", 0.0)
    monkeypatch.setattr(loop, "make_train_steps", make_hurt)
    return monkeypatch


def in_evaluation(
    monkeypatch: pytest.MonkeyPatch, call: int, act: Callable[[], None]
) -> pytest.MonkeyPatch:
    """Calls `act` in the evaluation of the `call`-th batch, counted from 1."""
    make = loop.make_eval_step
    calls = 0

    def make_hurt(*args: Any) -> Callable[..., Any]:
        eval_step = make(*args)

        def hurt(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                act()
            return eval_step(*args)

        return hurt

    monkeypatch.setattr(loop, "make_eval_step", make_hurt)
    return monkeypatch


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def kill() -> None:
    raise Killed


def stop(
    monkeypatch: pytest.MonkeyPatch,
    workdir: Path,
    config: ConfigDict | None = None,
    *,
    step: int | None = None,
    batch: int | None = None,
) -> str:
    """A run that a signal stops after an update or in the evaluation of a batch; its last words."""
    with monkeypatch.context() as patch:
        if step is not None:
            after_update(patch, step, terminate)
        if batch is not None:
            in_evaluation(patch, batch, terminate)
        with pytest.raises(Interrupted) as stopped:
            train_and_evaluate(config or tiny_config(), workdir)
    return str(stopped.value)


def kill_after(monkeypatch: pytest.MonkeyPatch, workdir: Path, step: int) -> None:
    """A run that is killed after an update."""
    with monkeypatch.context() as patch:
        after_update(patch, step, kill)
        with pytest.raises(Killed):
            train_and_evaluate(tiny_config(), workdir)


# ---- commands in processes of their own


def write_config(folder: Path, **changes: Any) -> Path:
    """A config file of the tiny run."""
    fields = TINY | {name.replace("__", "."): value for name, value in changes.items()}
    path = folder / "tiny.py"
    path.write_text(
        "from asrnn.config import base_config\n\n\n"
        "def get_config():\n"
        "    config = base_config()\n"
        f"    config.update_from_flattened_dict({fields!r})\n"
        "    return config\n"
    )
    return path


def environment(**changes: str) -> dict[str, str]:
    """Finds this package, reaches no network, and looks the same on every machine."""
    drop = ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return kept | {"PYTHONPATH": str(REPOSITORY), "JAX_PLATFORMS": "cpu", **changes}


def command(module: str, *args: str | Path) -> list[str]:
    return [sys.executable, "-m", f"asrnn.{module}", *map(str, args)]


def call(module: str, *args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        command(module, *args),
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Process:
    """A command that runs while the test does something to it; killed on leaving.

    Args:
      args: what `command` gives.
      cwd: its folder, to which stdout and stderr are written.
      changes: of its environment.
    """

    def __init__(self, args: list[str], cwd: Path, **changes: str):
        self._files = [cwd / f"{name}.txt" for name in ("stdout", "stderr")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self._process = subprocess.Popen(
                args, cwd=cwd, env=environment(**changes), stdout=out, stderr=err
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    def wait_until(self, happened: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Waits for what the process should bring about while it runs."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert self._process.poll() is None, f"it ended too early: {self.stderr}"
            assert time.monotonic() < deadline, f"waited in vain: {self.stderr}"
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def code(self, seconds: float = PATIENCE) -> int:
        """The exit code."""
        return self._process.wait(seconds)


def one_line(text: str, begin: str = "asrnn.") -> str:
    """The closing line of a command that failed; a traceback is a defect."""
    assert "Traceback" not in text, text
    last = text.rstrip("\n").splitlines()[-1]
    assert last.startswith(begin), text
    return last
