"""The sbatch file of the docs passes signals on and requeues what is not finished."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.training.runs import PATIENCE, REPOSITORY

SCRIPT = REPOSITORY / "docs" / "slurm" / "sweep.sbatch"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def job(tmp_path):
    """Starts array task 3 of 8; `python` is a script, `scontrol` notes what it is asked."""

    def start(python, *flags):
        for name, body in (("python", python), ("scontrol", 'echo "$@" > requeued')):
            program = tmp_path / name
            program.write_text(f"#!/bin/bash\n{body}\n")
            program.chmod(0o755)
        slurm = {"CPUS_PER_TASK": "4", "ARRAY_TASK_ID": "3", "ARRAY_TASK_COUNT": "8"}
        slurm["ARRAY_JOB_ID"] = "17"
        variables = {f"SLURM_{name}": value for name, value in slurm.items()}
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", str(SCRIPT), "--config=a b.py", *flags],
            cwd=tmp_path,
            env={**os.environ, **variables, "PATH": path, "REQUEUE_PAUSE": "0"},
        )

    return start


def requeued(folder):
    path = folder / "requeued"
    return path.read_text().strip() if path.exists() else None


def test_each_task_runs_its_shard_with_the_flags_it_was_given(job, tmp_path):
    assert job('printf "%s\\n" "$@" > flags').wait(PATIENCE) == 0
    flags = (tmp_path / "flags").read_text().splitlines()
    assert flags == ["-m", "asrnn.sweep", "--config=a b.py", "--workers=4", "--shard=3/8"]
    assert requeued(tmp_path) is None


def test_a_population_is_not_told_of_workers(job, tmp_path):
    assert job('printf "%s\\n" "$@" > flags', "--engine=population").wait(PATIENCE) == 0
    flags = (tmp_path / "flags").read_text().splitlines()
    assert flags[2:] == ["--config=a b.py", "--engine=population", "--shard=3/8"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_reaches_the_sweep_which_saves_and_is_requeued(job, tmp_path, number):
    save = "sleep 0.2; touch saved; exit 75"
    process = job(f"trap '{save}' USR1; touch ready; for _ in {{1..99}}; do sleep 0.1; done")
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 75
    assert (tmp_path / "saved").exists()
    assert requeued(tmp_path) == "requeue 17_3"


def test_a_shard_that_waits_for_others_is_requeued(job, tmp_path):
    assert job("exit 75").wait(PATIENCE) == 75
    assert requeued(tmp_path) == "requeue 17_3"


@pytest.mark.parametrize(("body", "code"), [("exit 2", 2), ("kill -KILL $$", 137)])
def test_what_cannot_be_helped_by_running_again_is_not_requeued(job, tmp_path, body, code):
    assert job(body).wait(PATIENCE) == code
    assert requeued(tmp_path) is None
