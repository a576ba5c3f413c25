"""The ray engine ends as the local one does, also when a node dies or a signal stops it."""

import importlib.util
import signal
import subprocess
import sys

import pytest

from asrnn.errors import ConfigError
from asrnn.runs.workdir import METRICS
from asrnn.sweeps import ray_engine
from asrnn.sweeps.engines import make_engine
from asrnn.sweeps.ray_task import memory_share
from tests.sweeps.quiet import Quiet
from tests.training.runs import (
    PATIENCE,
    Process,
    call,
    command,
    environment,
    one_line,
    rows,
    write_config,
)

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray"
)

CLUSTER = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=1, include_dashboard=False))
node = cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(node, allow_graceful=False)
    print("killed", flush=True)
cluster.shutdown()
"""

SPACE = """
def get_space(h):
    return h.sweep("optimizer.learning_rate", [0.001, 0.01, 0.03])
"""
TRIALS = 3


def run(address):
    ray_engine.run([], address=address, workers=None, gpus=0.0, watch=Quiet())


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    engine = make_engine("ray", workers=None, population_size=1, ray_address="auto", ray_gpus=0.0)
    with pytest.raises(ConfigError, match=r"pip install 'ray"), engine:
        pass  # and not only when it is to run, after the sweep has begun


@needs_ray
def test_an_address_where_nothing_answers_is_named(monkeypatch):
    monkeypatch.setattr(ray_engine, "ANSWER", 3.0)
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.1:1 \(no answer within 3"):
        run("127.0.0.1:1")


@needs_ray
def test_an_address_that_is_none_is_named():
    with pytest.raises(ConfigError, match=r"no Ray cluster at nowhere \(.+\); start one with"):
        run("nowhere")


@pytest.mark.parametrize("gpus", [0.0, 1.0, 2.0])
def test_whole_gpus_leave_the_memory_alone(gpus):
    assert memory_share(gpus) == {}


def test_trials_that_share_a_gpu_take_their_part_of_its_memory():
    assert memory_share(0.25) == {"XLA_CLIENT_MEM_FRACTION": "0.225"}


class Cluster:
    """A Ray cluster of two nodes with a core each, in a process of its own."""

    def __init__(self, folder):
        self._errors = (folder / "cluster.txt").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.address = self._read("address")

    def kill_node(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._read("killed")

    def end(self):
        self._process.communicate(timeout=PATIENCE)
        self._errors.close()

    def _read(self, word):
        for line in self._process.stdout:
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise AssertionError(f"the cluster ended: see {self._errors.name}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Of a sweep, but for its engine and workdir."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "space.py").write_text(SPACE)
    lengths = {"steps": 600, "checkpoint_every": 50, "eval_every": 150, "log_every": 50}
    changes = {f"training__{name}": value for name, value in lengths.items()}
    config = write_config(folder, **changes)
    return [f"--config={config}", f"--space={folder / 'space.py'}"]


@pytest.fixture(scope="module")
def expected(flags, tmp_path_factory):
    """What the local engine makes of it."""
    folder = tmp_path_factory.mktemp("local")
    done = call("sweep", *flags, "--workers=2", f"--workdir={folder / 'sweep'}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return results(folder / "sweep")


def results(folder):
    return {path.parent.name: rows(path.parent) for path in sorted(folder.glob(f"*/{METRICS}"))}


def checkpoints(folder):
    return len(list(folder.glob("*/checkpoints/*.json")))


@needs_ray
@pytest.mark.slow
def test_a_signal_saves_all_trials_and_another_engine_goes_on(cluster, flags, expected, tmp_path):
    sweep = command("sweep", *flags, f"--workdir={tmp_path / 'sweep'}")
    ray = ["--engine=ray", f"--ray_address={cluster.address}"]
    with Process([*sweep, *ray], tmp_path) as process:
        process.wait_until(lambda: checkpoints(tmp_path / "sweep") >= 2)
        process.send(signal.SIGTERM)
        assert process.code() == 75
        assert "stopped by SIGTERM, all trials saved" in one_line(process.stderr)
    assert results(tmp_path / "sweep")
    assert results(tmp_path / "sweep") != expected
    with Process([*sweep, "--workers=2"], tmp_path) as process:
        assert process.code() == 0
    assert results(tmp_path / "sweep") == expected


@needs_ray
@pytest.mark.slow
@pytest.mark.ci
def test_when_a_node_dies_its_trial_goes_on_elsewhere(cluster, flags, expected, tmp_path):
    ray = ["--engine=ray", f"--ray_address={cluster.address}", f"--workdir={tmp_path / 'sweep'}"]
    with Process(command("sweep", *flags, *ray), tmp_path) as process:
        process.wait_until(lambda: len(list((tmp_path / "sweep").glob("*/checkpoints"))) == 2)
        cluster.kill_node()
        assert process.code() == 0, process.stderr
        ended = [line for line in process.stderr.splitlines() if "done at step 600" in line]
    assert len(ended) == TRIALS
    assert results(tmp_path / "sweep") == expected
