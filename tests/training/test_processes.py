"""Joining other processes: what cannot work is one line, within a bounded time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asrnn.errors import ConfigError
from asrnn.training.processes import is_first, join
from tests.training.runs import PATIENCE, environment, one_line, write_config


@pytest.mark.parametrize(
    ("address", "number", "index", "words"),
    [
        ("localhost:1234", None, None, "belong together"),
        (None, 2, 0, "belong together"),
        ("localhost:1234", 2, None, "belong together"),
        ("localhost", 2, 0, "HOST:PORT, found 'localhost'"),
        (":1234", 2, 0, "HOST:PORT"),
        ("localhost:port", 2, 0, "HOST:PORT"),
        ("localhost:0", 2, 0, "HOST:PORT"),
        ("localhost:65536", 2, 0, "HOST:PORT"),
        ("localhost:1234", 2, 2, "from 0 to 1 .* found 2"),
        ("localhost:1234", 2, -1, "from 0 to 1 .* found -1"),
        ("localhost:1234", 0, 0, "--num_processes must be at least 1, found 0"),
    ],
)
def test_flags_that_cannot_be_used_are_refused_before_anything_is_tried(
    address: str | None, number: int | None, index: int | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        join(address, number, index)


def test_a_process_alone_is_the_first() -> None:
    assert is_first()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--coordinator_address=127.0.0.1:9", "--num_processes=2", "--process_id=1"],
            "did not meet at 127.0.0.1:9 within 1 s",
        ),
        ([], "give --coordinator_address, --num_processes and --process_id"),
    ],
    ids=["nobody_there", "no_scheduler"],
)
def test_processes_that_do_not_meet_end_in_one_line_and_code_2(
    flags: list[str], words: str, tmp_path: Path
) -> None:
    impatient = (
        "from asrnn.training import processes; processes.JOIN_SECONDS = 1.0; "
        "from asrnn.command import run; from asrnn.train import main; run(main)"
    )
    config = write_config(tmp_path)
    arguments = [f"--config={config}", f"--workdir={tmp_path / 'run'}", "--distributed", *flags]
    done = subprocess.run(
        [sys.executable, "-c", impatient, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert words in one_line(done.stderr, "asrnn: ")
    assert not (tmp_path / "run").exists()
