"""All systems do the same work: one result, one shape, one schema."""

from __future__ import annotations

import json
import statistics
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.benchmarks import (
    dispatches,
    gemm,
    recurrences,
    repetition,
    session,
    system,
    torch_modules,
    training_steps,
)
from asrnn.benchmarks.cases import (
    CELLS,
    EVALUATION,
    FORWARD,
    FORWARD_BACKWARD,
    TRAIN_STEP,
    WORKS,
    Workload,
)
from asrnn.benchmarks.rows import Row
from asrnn.benchmarks.systems import GRAPH, SYSTEMS
from asrnn.errors import ConfigError
from asrnn.training import dispatch_size
from tests.benchmarks.tiny import TINY

REPEATS = 3
MEASURED = (FORWARD_BACKWARD, TRAIN_STEP)

USABLE = {name: each for name, each in SYSTEMS.items() if each.obstacle() is None}


@pytest.fixture(scope="module", autouse=True)
def small_floor() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gemm, "SMALLEST_EDGE", 64)
        yield


ONE_OF_EACH_KIND = ("native", "flax-lstm", "torch-gru", "gemm-floor")
SOME = {name: each for name, each in USABLE.items() if name in ONE_OF_EACH_KIND}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return session.measure(TINY, "antisymmetric", MEASURED, SOME, REPEATS)


def test_there_is_a_row_for_each_work_that_a_system_can_do(rows: list[Row]) -> None:
    expected = {(w, name) for name, each in SOME.items() for w in each.works if w in MEASURED}
    assert {(row["work"], row["system"]) for row in rows} == expected
    assert len(rows) == len(expected)


def test_all_asrnn_backends_do_all_work_and_peers_the_recurrence() -> None:
    rounded = {"native-bfloat16", "native-bfloat16_3x"}
    everything = {"scan", "scan-graph", "adjoint", "native", "gemm-floor"} | rounded
    for name in everything:
        assert SYSTEMS[name].works == WORKS
    for name in SYSTEMS.keys() - everything:
        assert SYSTEMS[name].works == (FORWARD, FORWARD_BACKWARD)


def test_rows_have_the_schema(rows: list[Row]) -> None:
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        assert (row["case"], row["cell"]) == ("tiny", "antisymmetric")
        assert row["shape"] == {"T": 64, "B": 4, "n": 6, "m": 1}
        assert row["runs"] == len(row["runs_ms"]) == REPEATS
        assert row["median_ms"] == pytest.approx(statistics.median(row["runs_ms"]), abs=1e-4)
        assert row["min_ms"] == min(row["runs_ms"]) >= 0
        assert row["peak_memory_bytes"] is None
        eager = row["system"].startswith("torch") or row["system"] == "gemm-floor"
        assert (row["compile_seconds"] is None) == eager


@pytest.mark.parametrize("cell", CELLS)
def test_the_backends_compute_the_same(cell: str) -> None:
    names = [name for name in ("scan", "adjoint", "native") if name in USABLE]
    first, *others = (run(name, FORWARD_BACKWARD, cell) for name in names)
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-6), first, other)


@pytest.mark.parametrize("work", MEASURED)
def test_the_scan_as_a_graph_is_the_scan(work: str) -> None:
    jax.tree.map(np.testing.assert_array_equal, run("scan-graph", work), run("scan", work))


def test_the_compiler_is_told_to_make_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def compiled(*args: Any, options: Any) -> Any:
        told.append(options)
        return system.compiled(*args, options=options)

    monkeypatch.setattr(recurrences, "compiled", compiled)
    monkeypatch.setattr(training_steps, "compiled", compiled)
    for work in MEASURED:
        SYSTEMS["scan-graph"].prepare(Workload(TINY, "antisymmetric", work))
        SYSTEMS["scan"].prepare(Workload(TINY, "antisymmetric", work))
    assert told == [GRAPH, None] * len(MEASURED)


def test_an_option_that_the_compiler_does_not_know_is_refused() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match="No such compile option"):
        system.compiled(jax.jit(lambda x: x), 1.0, options={"xla_gpu_enable_comand_bufer": "WHILE"})


def test_what_takes_a_gpu_is_left_out_with_one_line() -> None:
    lines: list[str] = []
    wanted = ("scan", "scan-graph", "torch-rnn-tf32", "torch-lstm-tf32")
    assert list(session.usable({n: SYSTEMS[n] for n in wanted}, lines.append)) == ["scan"]
    assert lines == ["scan-graph, torch-rnn-tf32, torch-lstm-tf32 left out: only a GPU can do it"]


@pytest.mark.parametrize("name", [n for n in USABLE if n != "gemm-floor"])
def test_forward_is_the_last_hidden_state(name: str) -> None:
    assert tuple(run(name, FORWARD).shape) == (4, 6)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("scan", 15 + 6 + 6),
        ("flax-lstm", 4 * (36 + 6 + 6)),
        ("torch-rnn", 36 + 6 + 2 * 6),
        ("torch-gru", 3 * (36 + 6 + 2 * 6)),
        ("torch-lstm", 4 * (36 + 6 + 2 * 6)),
    ],
)
def test_backward_yields_a_scalar_and_the_gradient_in_all_parameters(
    name: str, parameters: int
) -> None:
    if name not in USABLE:
        pytest.skip(str(SYSTEMS[name].obstacle()))
    scalar, gradient = run(name, FORWARD_BACKWARD)
    assert scalar.shape == ()
    leaves = jax.tree.leaves(gradient)
    assert sum(int(np.prod(leaf.shape)) for leaf in leaves) == parameters
    assert all(np.abs(np.asarray(leaf)).max() > 0 for leaf in leaves)


def test_a_train_step_updates_and_its_time_is_for_one_update() -> None:
    prepared = SYSTEMS["scan"].prepare(Workload(TINY, "antisymmetric", "train step"))
    losses = [float(prepared.run()["loss"]) for _ in range(3)]
    assert len(set(losses)) == 3
    assert prepared.repetitions > 1


def test_on_an_accelerator_a_dispatch_has_as_many_updates_as_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_steps, "accelerated", lambda: True)
    monkeypatch.setattr(dispatches, "RUN_SECONDS", 0.0)
    monkeypatch.setattr(dispatch_size, "SECONDS", 1e9)
    prepared = SYSTEMS["scan"].prepare(Workload(TINY, "antisymmetric", TRAIN_STEP))
    assert prepared.run()["steps"] == dispatch_size.MAX_STEPS
    assert prepared.repetitions == prepared.details["updates"] == dispatch_size.MAX_STEPS


@pytest.mark.parametrize("work", [FORWARD, FORWARD_BACKWARD, EVALUATION])
def test_on_an_accelerator_a_run_repeats_the_work(
    monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    once = run("scan", work)
    monkeypatch.setattr(repetition, "accelerated", lambda: True)
    monkeypatch.setattr(repetition, "best_of", lambda run: repetition.RUN_SECONDS / 3)
    prepared = SYSTEMS["scan"].prepare(Workload(TINY, "antisymmetric", work))
    assert prepared.repetitions == 3
    jax.tree.map(np.testing.assert_array_equal, prepared.run(), once)


def test_an_evaluation_step_counts_the_examples_of_a_batch() -> None:
    counts = run("scan", EVALUATION)
    assert float(counts["examples"]) == TINY.shape.B
    assert float(counts["loss"]) > 0


def test_the_floor_is_scaled_to_the_operations_of_the_problem() -> None:
    workload = Workload(TINY, "antisymmetric", FORWARD_BACKWARD)
    prepared = gemm.prepare(workload)
    edge = prepared.details["edge"]
    assert tuple(prepared.run().shape) == (edge, edge)
    assert prepared.repetitions * workload.operations == pytest.approx(2 * edge**3)


def test_peak_memory_is_that_of_train_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def peak(system: str, workload: Workload) -> int:
        asked.append((system, workload.work))
        return 7

    monkeypatch.setattr(session, "peak_memory_in_a_process", peak)
    systems = {name: SYSTEMS[name] for name in ("scan", "gemm-floor")}
    rows = session.measure(TINY, "antisymmetric", WORKS[1:3], systems, 1, memory=True)
    assert asked == [("scan", "train step")]
    assert [row["peak_memory_bytes"] for row in rows] == [None, None, 7, None]


def test_without_torch_its_systems_are_left_out_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_modules, "find_spec", lambda name: None)
    lines: list[str] = []
    wanted = {n: SYSTEMS[n] for n in ("scan", "torch-rnn", "torch-gru", "torch-lstm")}
    assert list(session.usable(wanted, lines.append)) == ["scan"]
    assert lines == [
        "torch-rnn, torch-gru, torch-lstm left out:"
        " torch is not installed: pip install 'torch>=2.5'"
    ]
    assert gemm.prepare(Workload(TINY, "antisymmetric", FORWARD)).details["library"] == "jax"


def test_torch_runs_without_denormal_numbers_and_nothing_else_does() -> None:
    torch = pytest.importorskip("torch")
    half = torch.tensor(0.5)
    without, _ = torch_modules.complete(lambda: float(half * 1.4e-38))
    assert without() == 0
    assert float(half * 1.4e-38) > 0


def test_nothing_left_to_measure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_modules, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="nothing is left to measure"):
        session.usable({"torch-rnn": SYSTEMS["torch-rnn"]}, lambda line: None)


def run(name: str, work: str, cell: str = "antisymmetric") -> Any:
    return SYSTEMS[name].prepare(Workload(TINY, cell, work)).run()
