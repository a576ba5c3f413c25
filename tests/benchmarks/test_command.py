"""`python -m asrnn.benchmark` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asrnn.benchmarks.cases import CELLS, WORKS, Workload
from asrnn.benchmarks.memory import peak_memory_in_a_process
from asrnn.benchmarks.plan import checked_output, make_plan
from asrnn.errors import AsrnnError, CheckpointError, ConfigError
from tests.benchmarks.tiny import TINY
from tests.command.calls import call as call_here
from tests.command.calls import flag_values
from tests.training.runs import call

__all__ = ["call_here", "flag_values"]

OPTIONS = {"repeats": 7, "scaling": False, "memory": True}


def test_it_measures_prints_and_writes(tmp_path: Path) -> None:
    command = "--cases=A --cells=antisymmetric --work=forward --systems=adjoint,gemm-floor"
    done = call("benchmark", *command.split(), "--repeats=2", "--out=b.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "A, antisymmetric, forward (T 784, B 128, n 128, m 1)" in done.stdout
    content = json.loads((tmp_path / "b.json").read_text())
    rows = [(r["case"], r["cell"], r["work"], r["system"], r["runs"]) for r in content["rows"]]
    assert rows == [("A", "antisymmetric", "forward", s, 2) for s in ("adjoint", "gemm-floor")]
    assert content["rows"][0]["devices"] == content["environment"]["cores"]
    assert content["environment"]["command"] == f"python -m asrnn.benchmark {command} --repeats=2"
    assert (tmp_path / "b.md").exists()


def test_an_unknown_name_ends_in_one_line(call_here: Any) -> None:
    line = call_here("--systems=scan,natve", name="asrnn.benchmark").refusal()
    assert "--systems must be one of scan, scan-graph, adjoint, native" in line
    assert "did you mean 'native'?" in line


@pytest.mark.parametrize(
    ("flag", "names"),
    [("cases", ["D"]), ("cells", ["lstm"]), ("works", ["backward"]), ("systems", ["jax"])],
)
def test_unknown_names_are_refused(flag: str, names: list[str]) -> None:
    lists: dict[str, list[str]] = {"cases": [], "cells": [], "works": [], "systems": []}
    with pytest.raises(ConfigError, match="must be one of"):
        make_plan(**(lists | {flag: names}), **OPTIONS)


def test_all_by_default_and_train_step_in_three_spellings() -> None:
    plan = make_plan([], [], [], [], **OPTIONS)
    assert (plan.cases, plan.cells, plan.works) == (["A", "B", "N"], list(CELLS), list(WORKS))
    assert plan.command() == "python -m asrnn.benchmark --repeats=7"
    for spelling in ("train step", "train-step", "train_step"):
        plan = make_plan(["B"], [], [spelling], [], repeats=3, scaling=True, memory=False)
        assert plan.works == ["train step"]
        assert plan.command() == (
            "python -m asrnn.benchmark --cases=B --work=train-step --repeats=3 --scaling --nomemory"
        )


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("b.txt", ConfigError, "must name a .json file"),
        ("no/b.json", CheckpointError, "there is no folder"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_measuring(
    name: str, error: type[AsrnnError], words: str
) -> None:
    with pytest.raises(error, match=words):
        checked_output(name)


@pytest.mark.slow
def test_peak_memory_is_measured_in_another_process() -> None:
    peak = peak_memory_in_a_process("scan", Workload(TINY, "antisymmetric", "forward"))
    assert 50 * 2**20 < peak < 4 * 2**30


@pytest.mark.parametrize("case", ["D32", "D128"])
def test_a_case_of_populations_says_what_it_goes_with(case: str) -> None:
    with pytest.raises(ConfigError, match=f"--cases={case} needs --population"):
        make_plan([case], [], [], [], **OPTIONS)
    assert make_plan([case], [], [], [], ["8"], **OPTIONS).cases == [case]
