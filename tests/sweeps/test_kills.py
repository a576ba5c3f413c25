"""kill -9 of coordinator and workers at random moments: nothing lost, nothing run twice."""

import json
import subprocess
import sys

import pytest

from tests.training.runs import REPOSITORY, environment


@pytest.mark.slow
def test_a_sweep_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path):
    script = REPOSITORY / "experiments" / "kills.py"
    flags = ["--trials=6", "--kills=5", "--pause=6", f"--folder={tmp_path / 'killed'}"]
    flags += [f"--reference={tmp_path / 'reference'}", f"--out={tmp_path / 'found.json'}"]
    command = [sys.executable, str(script), *flags]
    subprocess.run(command, env=environment(), cwd=tmp_path, check=True, capture_output=True)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["kills"]["coordinator"] >= 2
    assert found["largest_difference_of_an_accuracy"] == 0.0
