"""Populations beside the same members one by one: what a row counts, and what is compared."""

from __future__ import annotations

import pytest

from asrnn.benchmarks import dispatches, populations
from asrnn.benchmarks.cases import POPULATION_CASES, TRAIN_STEP, Workload
from asrnn.benchmarks.plan import make_plan
from asrnn.benchmarks.populations import measure_population
from asrnn.benchmarks.report import population_tables
from asrnn.benchmarks.rows import make_row
from asrnn.benchmarks.system import Prepared
from asrnn.errors import ConfigError
from asrnn.training import dispatch_size
from asrnn.training.experiment import make_experiment
from tests.benchmarks.tiny import TINY

OPTIONS = {"repeats": 3, "scaling": False, "memory": True}


@pytest.mark.slow
def test_a_row_for_each_size_and_for_one_member_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatches, "RUN_SECONDS", 0.0)
    monkeypatch.setattr(dispatch_size, "MAX_STEPS", 2)
    rows = measure_population(TINY, "antisymmetric", ["scan"], [3], repeats=2)
    assert [(r["system"], r["members"], r["runs"], r["work"]) for r in rows] == [
        ("scan", 1, 2, TRAIN_STEP),
        ("scan", 3, 2, TRAIN_STEP),
    ]
    assert all(row["median_ms"] > 0 and row["cpu_ms"] > 0 for row in rows)
    assert all(1 <= row["updates"] <= 2 for row in rows)


def test_ratios_are_to_one_member_alone_with_the_same_backend() -> None:
    workload = Workload(POPULATION_CASES["D32"], "antisymmetric", TRAIN_STEP)
    rows = [
        make_row(workload, system, Prepared(lambda: None, size, 1.5, {"members": size}), [seconds])
        | {"cpu_ms": cpu}
        for system, size, seconds, cpu in (
            ("scan", 1, 0.004, 8.0),
            ("scan", 8, 0.016, 2.0),
            ("native", 1, 0.001, 1.0),
        )
    ]
    (table,) = population_tables(rows)
    assert table.title.startswith("D32, antisymmetric, train step (T 64, B 64, n 32, m 1)")
    assert table.body == [
        ["scan", "1", "4.00", "1.00x", "8.00", "1.00x", "1.50"],
        ["scan", "8", "2.00", "2.00x", "2.00", "4.00x", "1.50"],
        ["native", "1", "1.00", "1.00x", "1.00", "1.00x", "1.50"],
    ]


def test_the_cases_are_those_of_their_tasks() -> None:
    for case in POPULATION_CASES.values():
        workload = Workload(case, "antisymmetric", TRAIN_STEP)
        config = populations._config("scan", workload, 1)
        config.task.data_dir = "DIR"
        task = make_experiment(config).task
        assert (task.length, task.input_size) == (case.shape.T, case.shape.m)
        assert (config.training.batch_size, config.model.hidden_size) == (
            case.shape.B,
            case.shape.n,
        )


def test_a_plan_of_populations_has_its_own_cases_and_systems() -> None:
    plan = make_plan([], [], [], [], ["8", "32"], **OPTIONS)
    assert (plan.cases, plan.population) == (["D32", "D128", "A"], [8, 32])
    assert plan.systems == ["scan", "adjoint", "native"]
    assert plan.command() == "python -m asrnn.benchmark --repeats=3 --population=8,32"
    plan = make_plan(["A"], [], [], ["native"], ["8"], **OPTIONS)
    assert plan.command() == (
        "python -m asrnn.benchmark --cases=A --systems=native --repeats=3 --population=8"
    )


@pytest.mark.parametrize("cases", [["A", "B"], ["D32", "A", "B"], ["D32", "D128", "A", "B"]])
def test_case_b_is_measured_when_asked_for(cases: list[str]) -> None:
    plan = make_plan(cases, [], [], [], ["64"], **OPTIONS)
    assert plan.cases == cases
    assert f" --cases={','.join(cases)} " in plan.command()


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("population", ["1"], "sizes above 1"),
        ("population", ["8", "x"], "sizes above 1, such as 8,32; found 8,x"),
        ("cases", ["N"], "--cases must be one of D32, D128, A, B"),
        ("systems", ["torch-rnn"], "--systems must be one of scan, adjoint, native"),
    ],
)
def test_what_cannot_be_a_population_is_refused(flag: str, value: list[str], words: str) -> None:
    lists: dict[str, list[str]] = {name: [] for name in ("cases", "cells", "works", "systems")}
    with pytest.raises(ConfigError, match=words):
        make_plan(**lists | {"population": ["8"]} | {flag: value}, **OPTIONS)
