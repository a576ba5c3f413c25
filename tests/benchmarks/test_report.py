"""What a reader sees, and what a program reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.benchmarks.cases import CASES, Workload, scaling_cases
from asrnn.benchmarks.environment import environment
from asrnn.benchmarks.figure import series
from asrnn.benchmarks.report import Report, case_tables, digits, small
from asrnn.benchmarks.rows import Row, make_row
from asrnn.benchmarks.system import Prepared
from asrnn.benchmarks.systems import SYSTEMS
from asrnn.errors import CheckpointError

ENVIRONMENT = {
    "command": "python -m asrnn.benchmark",
    "date": "2026-01-01T00:00:00+00:00",
    "cpu": "a processor",
    "cores": 2,
    "versions": {"jax": "0.10.2"},
}

GPU = {
    "name": "NVIDIA H200",
    "number": 1,
    "compute_capability": None,
    "memory": None,
    "driver": None,
    "platform_version": "cuda 13000",
    "torch": {},
}


def row(system: str, milliseconds: float, work: str = "forward+backward", **fields: Any) -> Row:
    workload = Workload(CASES["A"], "antisymmetric", work)
    return make_row(workload, system, Prepared(lambda: None), [milliseconds / 1000]) | fields


ROWS = [
    row("scan", 200.0),
    row("native", 50.0, compile_seconds=1.25),
    row("torch-rnn", 300.0),
    row("torch-lstm", 600.0),
    row("gemm-floor", 40.0),
    row("scan", 210.0, "train step", peak_memory_bytes=600 * 2**20),
    row("native", 55.0, "train step"),
    row("gemm-floor", 40.0, "train step"),
]


def table(index: int) -> dict[str, dict[str, str]]:
    """The entries of a table, by system and heading."""
    header, body = case_tables(ROWS)[index][1:]
    return {line[0]: dict(zip(header, line, strict=True)) for line in body}


def test_median_and_min_are_per_repetition() -> None:
    prepared = Prepared(lambda: None, repetitions=2.0, details={"devices": 2})
    workload = Workload(CASES["A"], "antisymmetric", "forward")
    made = make_row(workload, "adjoint", prepared, [0.010, 0.004, 0.030, 0.006])
    assert made["runs_ms"] == [5, 2, 15, 3]
    assert (made["median_ms"], made["min_ms"], made["runs"]) == (4, 2, 4)
    assert (made["devices"], made["repetitions"]) == (2, 2)


def test_ratios_are_of_medians() -> None:
    native = table(0)["native"]
    assert native["median"] == "50.0"
    assert native["faster than scan"] == "4.00x"
    assert native["faster than torch-rnn"] == "6.00x"
    assert native["faster than torch-lstm"] == "12.0x"
    assert native["over floor"] == "1.25"
    assert native["compile s"] == "1.25"


def test_a_train_step_is_compared_with_the_recurrence_alone() -> None:
    train = table(1)
    assert train["native"]["over recurrence"] == "1.10"
    assert train["scan"]["peak MiB"] == "600"


def test_the_floor_is_no_contestant() -> None:
    floor = table(0)["gemm-floor"]
    assert {heading for heading, entry in floor.items() if entry} == {"system", "median", "min"}


def test_a_column_without_entries_is_left_out() -> None:
    assert "over recurrence" not in table(0)["scan"]
    assert "faster than torch-rnn" not in table(1)["scan"]


def test_the_text_fits_100_columns() -> None:
    report = Report(ENVIRONMENT, None)
    report.add([one | {"compile_seconds": 12.34, "peak_memory_bytes": 2**33} for one in ROWS])
    tables = report.text().splitlines()[:-1]
    assert max(map(len, tables)) <= 100
    assert "A, antisymmetric, forward+backward (T 784, B 128, n 128, m 1)" in tables


def test_on_a_gpu_there_is_a_column_for_a_time_step_and_the_gpu_at_the_head(
    tmp_path: Path,
) -> None:
    report = Report(ENVIRONMENT | {"gpu": GPU}, tmp_path / "b.json")
    names = [name for name in SYSTEMS if name != "scan"]
    rows = [row("scan", 25.0), *(row(name, 0.1568) for name in names)]
    report.add([one | {"compile_seconds": 12.34} for one in rows])
    (of_case,) = report.tables()
    lines = {line[0]: dict(zip(of_case.header, line, strict=True)) for line in of_case.body}
    assert (lines["native"]["median"], lines["native"]["us/step"]) == ("0.157", "0.200")
    assert lines["scan"]["us/step"] == "31.9"
    assert lines["gemm-floor"]["us/step"] == ""
    assert max(map(len, report.text().splitlines()[:-1])) <= 100
    page = (tmp_path / "b.md").read_text()
    assert "2026-01-01T00:00:00+00:00, NVIDIA H200, jax with cuda 13000; jax 0.10.2." in page
    assert "a processor" not in page


def test_elsewhere_there_is_none() -> None:
    assert "us/step" not in table(0)["scan"]


@pytest.mark.parametrize(
    ("number", "text"), [(0.2154, "0.215"), (0.9994, "0.999"), (1.0, "1.00"), (1234.5, "1,234")]
)
def test_times_below_one_have_three_digits_too(number: float, text: str) -> None:
    assert small(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.123, "0.12"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_digits(number: float, text: str) -> None:
    assert digits(number) == text


def test_files_are_written_with_each_addition(tmp_path: Path) -> None:
    report = Report(ENVIRONMENT, tmp_path / "b.json")
    report.add(ROWS[:2])
    assert len(json.loads(report_json(tmp_path))["rows"]) == 2
    report.add(ROWS[2:])
    content = json.loads(report_json(tmp_path))
    assert content == {"environment": ENVIRONMENT, "rows": ROWS}
    page = (tmp_path / "b.md").read_text()
    assert "`python -m asrnn.benchmark`" in page
    assert "| native | 50.0 | 50.0 | 4.00x | 6.00x | 12.0x | 1.25 | 1.25 |" in page


def report_json(folder: Path) -> str:
    return (folder / "b.json").read_text()


def test_a_file_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "b.json").mkdir()
    with pytest.raises(CheckpointError, match=r"cannot be written: Is a directory"):
        Report(ENVIRONMENT, tmp_path / "b.json").add(ROWS)


def test_growing_shapes_are_drawn_and_tabled(tmp_path: Path) -> None:
    report = Report(ENVIRONMENT, tmp_path / "b.json")
    for number, case in enumerate(scaling_cases(), 1):
        workload = Workload(case, "antisymmetric", "forward+backward")
        report.add_scaling(
            [
                make_row(workload, system, Prepared(lambda: None), [factor * number])
                for system, factor in (("scan", 2.0), ("gemm-floor", 1.0))
            ]
        )
    sizes = [size for size, _ in series(report.scaling, "scan", "n")]
    assert sizes == [32, 64, 128, 256, 512]
    (growing,) = report.tables()
    assert growing.header == ["shape", "scan", "gemm-floor"]
    assert len(growing.body) == len(scaling_cases())
    picture = report.draw()
    assert picture == tmp_path / "b.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_without_growing_shapes_or_a_place(tmp_path: Path) -> None:
    assert Report(ENVIRONMENT, tmp_path / "b.json").draw() is None
    assert Report(ENVIRONMENT, None).draw() is None


def test_the_environment_is_json_and_says_what_matters() -> None:
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] >= 1
    assert found["cpu"]
    assert {"python", "jax", "jaxlib", "flax", "numpy"} <= found["versions"].keys()
