"""The population engine: ordinary workdirs, whoever began them and whatever came in between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError, ConfigError
from asrnn.recurrence import native
from asrnn.runs.workdir import open_workdir
from asrnn.sweeps import population
from asrnn.sweeps.trials import Job, outcome
from asrnn.training import evaluation
from asrnn.training.loop import train_and_evaluate
from tests.sweeps.populations import (
    MEMBERS,
    assert_close,
    assert_same,
    halt,
    make_jobs,
    run,
    small_evaluation_batches,
)
from tests.training.runs import PATIENCE, environment, rows, summary, tiny_config

__all__ = ["small_evaluation_batches"]


# ---- what a member is


@pytest.mark.parametrize(
    ("backend", "fields"),
    [
        pytest.param("scan", {}, id="scan", marks=pytest.mark.slow),
        pytest.param("native", {"optimizer__clip_norm": 1.0}, id="native"),
        pytest.param(
            "native",
            {"model__cell": "gated_antisymmetric"},
            id="native_gated",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "scan",
            {"model__cell": "lstm", "optimizer__name": "sgd"},
            id="lstm",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_member_is_the_run_alone_to_rounding(
    backend: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    if backend == "native" and native.available(1, 1, False) is not None:
        pytest.skip(str(native.available(1, 1, False)))
    jobs = make_jobs(tmp_path, MEMBERS[:2], recurrence__backend=backend, **fields)
    run(jobs)
    for i, job in enumerate(jobs):
        alone = train_and_evaluate(job.config, tmp_path / "alone" / str(i))
        assert_close(job.workdir, tmp_path / "alone" / str(i))
        found = summary(job.workdir)
        assert found.pop("population") == {"size": 2, "index": i}
        assert found.keys() == alone.keys()
        same = ("status", "steps", "best_step", "backend", "data", "num_parameters")
        assert {name: found[name] for name in same} == {name: alone[name] for name in same}
        assert (job.workdir / "config.json").read_bytes() == (
            tmp_path / "alone" / str(i) / "config.json"
        ).read_bytes()


@pytest.mark.slow
def test_members_on_two_devices_are_the_runs_alone_to_rounding(tmp_path: Path) -> None:
    two = {"training__batch_size": 32, "training__steps": 6}
    jobs = make_jobs(tmp_path, MEMBERS[:2], **two)
    script = (
        "import sys, jax; jax.config.update('jax_num_cpu_devices', 2); "
        "from pathlib import Path; "
        "from tests.sweeps.populations import MEMBERS, make_jobs, population, run; "
        f"jobs = make_jobs(Path({str(tmp_path)!r}), MEMBERS[:2], **{two!r}); "
        "assert population.make_program(population.make_experiment(jobs[0].config), 2)"
        ".mesh.size == 2; run(jobs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for i, job in enumerate(jobs):
        train_and_evaluate(job.config, tmp_path / "alone" / str(i))
        assert_close(job.workdir, tmp_path / "alone" / str(i))


@pytest.mark.slow
def test_a_population_has_a_size_at_most(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, training__steps=2)
    run(jobs, population_size=2)
    found = [summary(job.workdir)["population"] for job in jobs]
    assert found == [{"size": 2, "index": 0}, {"size": 2, "index": 1}, {"size": 1, "index": 0}]


# ---- a member that diverges


def with_second_member_at(folder: Path, rate: float) -> list[Job]:
    members = [{"seed": s, "optimizer__learning_rate": r} for s, r in enumerate((0.1, rate, 0.2))]
    return make_jobs(folder, members, optimizer__name="sgd")


@pytest.fixture(scope="module")
def wild(
    tmp_path_factory: pytest.TempPathFactory,
    compilation_cache: Path,
    small_evaluation_batches: None,
) -> list[Job]:
    """A population whose second member has diverged."""
    jobs = with_second_member_at(tmp_path_factory.mktemp("wild"), 1e38)
    run(jobs)
    return jobs


def test_a_member_that_diverges_changes_no_bit_of_the_others(
    wild: list[Job], tmp_path: Path
) -> None:
    tame = with_second_member_at(tmp_path, 0.1)
    run(tame)
    assert [outcome(job).status for job in wild] == ["done", "diverged", "done"]
    assert_same(wild[::2], tame[::2])


def test_a_member_diverges_as_it_does_alone(wild: list[Job]) -> None:
    job = wild[1]
    found = summary(job.workdir)
    assert (found["status"], found["steps"], found["test_accuracy"]) == ("diverged", 2, None)
    assert found["population"] == {"size": 3, "index": 1}
    assert rows(job.workdir) == []
    before = (job.workdir / "summary.json").stat().st_mtime_ns
    run([job])
    assert (job.workdir / "summary.json").stat().st_mtime_ns == before


def test_a_population_of_which_all_diverge_comes_to_an_end(tmp_path: Path) -> None:
    members = [{"seed": seed} for seed in range(3)]
    jobs = make_jobs(tmp_path, members, optimizer__name="sgd", optimizer__learning_rate=1e38)
    run(jobs)
    assert [outcome(job).status for job in jobs] == ["diverged"] * 3


def test_a_last_update_that_ruins_the_parameters_does_not_count_as_done(tmp_path: Path) -> None:
    """Its own loss was still finite; the evaluation shows it."""
    jobs = with_second_member_at(tmp_path, 1e38)
    for job in jobs:
        job.config.training.steps = 1
    run(jobs)
    assert [outcome(job).status for job in jobs] == ["done", "diverged", "done"]


# ---- what stands in the way


def test_a_workdir_in_use_is_tried_again_after_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path, MEMBERS[:2], training__steps=2)
    holder = open_workdir(jobs[0].workdir, jobs[0].config)
    holder.__enter__()

    def let_go(seconds: float) -> None:
        assert [outcome(job).finished for job in jobs] == [False, True]
        holder.__exit__(None, None, None)

    monkeypatch.setattr(population.time, "sleep", let_go)
    run(jobs)
    assert [summary(job.workdir)["population"]["size"] for job in jobs] == [1, 1]


def test_a_workdir_of_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    job = make_jobs(tmp_path, [{"seed": 0}])[0]
    train_and_evaluate(tiny_config(seed=3, training__steps=2), job.workdir)
    before = rows(job.workdir)
    with pytest.raises(ConfigError, match="another config"):
        run([job])
    assert rows(job.workdir) == before


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    job = make_jobs(tmp_path, [{"seed": 0}], training__batch_size=5000)[0]
    with pytest.raises(ConfigError, match="batch_size"):
        run([job])
    assert not (job.workdir / "config.json").exists()


def test_a_member_whose_checkpoints_are_all_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = make_jobs(tmp_path)
    halt(monkeypatch, jobs, step=3)
    (jobs[1].workdir / "checkpoints" / "3.json").write_text("{}")
    with pytest.raises(CheckpointError, match=f"{jobs[1].workdir.name}/checkpoints is damaged"):
        run(jobs)
    assert "checkpoint 3 is damaged" in capsys.readouterr().err


def test_evaluation_batches_are_no_larger_than_those_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = set()
    batches = evaluation.evaluation_batches
    monkeypatch.setattr(
        evaluation, "evaluation_batches", lambda n, size: sizes.add(size) or batches(n, size)
    )
    run(make_jobs(tmp_path, MEMBERS[:1], training__batch_size=16, training__steps=2))
    assert sizes == {16}
