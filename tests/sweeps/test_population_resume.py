"""A population that was stopped, killed or continued is the one that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import Interrupted
from asrnn.sweeps import population
from asrnn.sweeps.trials import Job, outcome
from asrnn.training import dispatch_size
from asrnn.training.loop import train_and_evaluate
from tests.sweeps.populations import (
    MEMBERS,
    assert_close,
    assert_same,
    halt,
    hurt,
    make_jobs,
    run,
    small_evaluation_batches,
)
from tests.training.runs import (
    Killed,
    checkpoint,
    kill,
    stop,
    summary,
    terminate,
)

__all__ = ["small_evaluation_batches"]


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    compilation_cache: Path,
    small_evaluation_batches: None,
) -> list[Job]:
    jobs = make_jobs(tmp_path_factory.mktemp("undisturbed"))
    run(jobs)
    return jobs


def test_what_is_finished_is_not_touched_again(undisturbed: list[Job]) -> None:
    files = [p for job in undisturbed for p in job.workdir.rglob("*") if p.is_file()]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in files]
    run(undisturbed)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in files] == before


@pytest.mark.parametrize(
    ("when", "step"),
    [
        pytest.param({"step": 3}, 3, id="inside_a_log_window"),
        pytest.param({"step": 12}, 12, id="at_the_last_update", marks=pytest.mark.slow),
        pytest.param({"batch": 1}, 7, id="validation"),
        pytest.param({"batch": 7}, 12, id="test", marks=pytest.mark.slow),
    ],
)
def test_a_population_stopped_and_resumed_is_the_undisturbed_one(
    when: dict[str, int],
    step: int,
    undisturbed: list[Job],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = make_jobs(tmp_path)
    said = halt(monkeypatch, jobs, **when)
    assert said.startswith("stopped by SIGTERM, all members of the population saved")
    for job in jobs:
        assert checkpoint(job.workdir).step == step == summary(job.workdir)["steps"]
        assert summary(job.workdir)["status"] == "stopped"
    run(jobs)
    assert_same(jobs, undisturbed)


def test_a_population_killed_and_resumed_is_the_undisturbed_one(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path)
    with monkeypatch.context() as patch:
        hurt(patch, kill, step=7)
        with pytest.raises(Killed):
            run(jobs)
    assert all(checkpoint(job.workdir).step == 4 for job in jobs)
    run(jobs)
    assert_same(jobs, undisturbed)


@pytest.mark.slow
def test_the_number_of_updates_per_dispatch_changes_nothing(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_size, "SECONDS", 0.0)
    jobs = make_jobs(tmp_path)
    run(jobs)
    assert_same(jobs, undisturbed)


@pytest.mark.slow
@pytest.mark.ci
def test_a_population_takes_up_what_single_runs_began_at_several_steps(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path)
    stop(monkeypatch, jobs[0].workdir, jobs[0].config, step=6)
    stop(monkeypatch, jobs[2].workdir, jobs[2].config, step=8)
    run(jobs)
    for job, other in zip(jobs, undisturbed, strict=True):
        assert outcome(job).status == "done"
        assert_close(job.workdir, other.workdir)


@pytest.mark.slow
def test_single_runs_take_up_what_a_population_began(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path)
    halt(monkeypatch, jobs, step=6)
    for job, other in zip(jobs, undisturbed, strict=True):
        assert train_and_evaluate(job.config, job.workdir)["status"] == "done"
        assert_close(job.workdir, other.workdir)


@pytest.mark.slow
def test_more_steps_continue_a_population_as_if_it_had_been_longer(tmp_path: Path) -> None:
    fields = {"training__log_every": 2, "training__eval_every": 4}
    grown, longer = tmp_path / "grown", tmp_path / "longer"
    run(make_jobs(grown, **fields, training__steps=8))
    run(make_jobs(grown, **fields, training__steps=12))
    run(make_jobs(longer, **fields, training__steps=12))
    assert_same(make_jobs(grown), make_jobs(longer))


@pytest.mark.slow
def test_the_watch_hears_of_each_member_that_is_taken_up_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, str]] = []

    class Notes:
        def started(self, job: Job) -> None:
            told.append(("started", job.workdir.name, outcome(job).status))

        def ended(self, job: Job) -> None:
            told.append(("ended", job.workdir.name, outcome(job).status))

    jobs = make_jobs(tmp_path, MEMBERS[:2])
    with monkeypatch.context() as patch:
        hurt(patch, terminate, step=6)
        with pytest.raises(Interrupted):
            population.run(jobs, population_size=2, watch=Notes())
    assert told == [
        (w, i, s) for w, s in (("started", "waiting"), ("ended", "started")) for i in "01"
    ]
    told.clear()
    population.run(jobs, population_size=2, watch=Notes())
    assert told == [
        *(("started", "0", "started"), ("started", "1", "started")),
        *(("ended", "0", "done"), ("ended", "1", "done")),
    ]


def test_nothing_is_compiled_twice_for_populations_of_one_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs: list[Any] = []
    make = population.make_program
    monkeypatch.setattr(
        population, "make_program", lambda *args: programs.append(make(*args)) or programs[-1]
    )
    members = [{"seed": seed} for seed in range(4)]
    run(make_jobs(tmp_path, members, training__steps=2), population_size=2)
    assert len(programs) == 1
    assert programs[0].train_steps._cache_size() == 1
    assert programs[0].eval_step._cache_size() == 2  # validation part and test part
