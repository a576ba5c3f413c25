"""The report command: a page from a folder, or one line about why there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.workdirs import write_run


def report(*flags: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "asrnn.report", *flags],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_page_is_written_into_the_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    done = report("--runs=runs", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "written: runs/report.html\n"
    assert (tmp_path / "runs" / "report.html").read_text().startswith("<!doctype html>")


def test_without_a_folder_it_is_that_of_train(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    done = report(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "written: runs/report.html\n")


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--runs="], 2, "no runs given; for example --runs=runs"),
        (["--runs=runs", "--out=damaged/one/config.json/page"], 5, "cannot write damaged/one/con"),
        (["--runs=damaged"], 5, "config.json cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    flags: list[str], code: int, words: str, tmp_path: Path
) -> None:
    write_run(tmp_path / "runs" / "one")
    (write_run(tmp_path / "damaged" / "one") / "config.json").write_text("{")
    done = report(*flags, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert done.stderr.startswith("asrnn.report: ")
