"""The command that lists runs: quick, because nothing heavy is imported, and fit for pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.reports.workdirs import write_run

CALL = """
import sys, runpy
sys.argv = ["asrnn.runs", *sys.argv[1:]]
try:
    runpy.run_module("asrnn.runs", run_name="__main__")
finally:
    print([m for m in ("jax", "matplotlib", "plotly") if m in sys.modules], file=sys.stderr)
"""


def runs(*flags: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-c", CALL, *flags],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_are_listed_without_jax(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    listed = runs(cwd=tmp_path)
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[1].split()[:3] == ["one", "done", "90.00%"]
    [found] = json.loads(runs("runs", "--json", cwd=tmp_path).stdout)
    assert found["test"] == 0.88
    refused = runs("gone", cwd=tmp_path)
    assert refused.returncode == 2
    assert "no run found below gone" in refused.stderr


def test_a_damaged_run_is_a_line_and_the_others_are_listed(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    (write_run(tmp_path / "runs" / "two") / "config.json").write_text("{")
    listed = runs(cwd=tmp_path)
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["name", "one"]
    assert listed.stderr.startswith("left out: runs/two/config.json cannot be read (")
    assert runs("runs/two", cwd=tmp_path).returncode == 5
