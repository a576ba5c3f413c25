"""What is written in place of an old file is whole before anyone can read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from matplotlib.figure import Figure

from asrnn.benchmarks.cases import SCALING, SCALING_BASE
from asrnn.benchmarks.figure import draw_scaling
from asrnn.errors import AsrnnError
from asrnn.files import _machine, replacing, write_atomically
from asrnn.paper import spectra
from asrnn.paper.figure1 import write_figure1
from asrnn.reports.learning_curve import draw_learning_curve
from asrnn.reports.page import write_page
from asrnn.reports.sweep_figures import draw_sweep
from tests.reports.workdirs import write_sweep


def test_a_file_appears_when_it_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "new")]


def test_what_a_killed_writer_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a[b].json"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here, random = _machine(), "0123456789ab"
    kept = {
        f".{path.name}.{os.getpid()}-{here}-{random}",  # its writer runs
        f".{path.name}.{dead.pid}-{here[::-1]}-{random}",  # of a machine of which nothing is known
        f".other.{dead.pid}-{here}-{random}",
        f".{path.name}.backup-2026-11-27-first",
    }
    for name in (*kept, f".{path.name}.{dead.pid}-{here}-{random}"):
        (tmp_path / name).write_text("a part")
    write_atomically(path, "whole")
    assert {file.name for file in tmp_path.iterdir()} == kept | {path.name}


def scaling(path: Path) -> None:
    base = SCALING_BASE._asdict()
    shapes = [{**base, axis: size} for axis, sizes in SCALING.items() for size in sizes]
    rows: Any = [{"system": "scan", "shape": shape, "median_ms": 1.0} for shape in shapes]
    draw_scaling(rows, path)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "learning_curve.png": lambda path: draw_learning_curve(path.parent),
    "figure1.png": lambda path: write_figure1(path.parent),
    "scaling.png": scaling,
    "spectra.csv": lambda path: spectra.write_spectra(path.parent, quick=False),
    "spectra.png": lambda path: spectra.write_spectra(path.parent, quick=False),
    "parallel_coordinates.png": lambda path: draw_sweep(path.parent / "sweep.csv"),
    "report.html": lambda path: write_page("<!doctype html>", path),
}


LONG = "figure1.png"


@pytest.mark.parametrize(
    "name",
    [pytest.param(LONG, marks=pytest.mark.slow), *sorted(WRITERS.keys() - {LONG})],
)
def test_a_full_disk_leaves_the_old_picture_table_or_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    monkeypatch.setattr(spectra, "spectra", lambda scale: [spectra.Point("RNN", 0.0, 1, 1.0, 0.5)])
    path = tmp_path / name
    path.write_text("old")
    save = Figure.savefig

    def part(target: Path) -> NoReturn:
        with target.open("w") as file:
            file.write("a part")
        raise OSError(28, "the disk is full")

    with monkeypatch.context() as patch:
        if path.suffix == ".png":
            patch.setattr(Path, "write_bytes", lambda self, *args: part(self))
            patch.setattr(
                Figure,
                "savefig",
                lambda self, target, **options: (
                    part(target) if isinstance(target, Path) else save(self, target, **options)
                ),
            )
        else:
            patch.setattr(Path, "write_text", lambda self, *args, **options: part(self))
        with pytest.raises((OSError, AsrnnError), match="full"):
            WRITERS[name](path)
    assert path.read_text() == "old"
    assert not list(tmp_path.glob(".*"))
    WRITERS[name](path)
    assert path.read_bytes() != b"old"
