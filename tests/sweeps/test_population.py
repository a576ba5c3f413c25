"""The population engine: ordinary workdirs, whoever began them and whatever came in between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.config import base_config, flatten
from asrnn.errors import CheckpointError, ConfigError, Interrupted
from asrnn.recurrence import native
from asrnn.sweeps import population
from asrnn.sweeps.trials import Job, outcome
from asrnn.training import evaluation, pace
from asrnn.training.loop import train_and_evaluate
from asrnn.training.workdir import open_workdir
from tests.sweeps.quiet import Quiet
from tests.training.runs import (
    Killed,
    assert_same_run,
    checkpoint,
    compilation_cache,
    environment,
    kill,
    rows,
    stop,
    summary,
    terminate,
    tiny_config,
)

__all__ = ["compilation_cache"]

MEMBERS: tuple[dict[str, Any], ...] = (
    {"seed": 0, "optimizer__learning_rate": 0.01},
    {"seed": 1, "model__step_size": 0.2, "optimizer__beta1": 0.8},
    {"seed": 1, "model__diffusion": 0.1, "model__init_scale": 2.0},
)


def make_jobs(folder: Path, members: Sequence[dict[str, Any]] = MEMBERS, **all_: Any) -> list[Job]:
    """Jobs in folders 0, 1, ...; fields as `tiny_config` takes them."""
    return [Job(folder / str(i), tiny_config(**all_, **own)) for i, own in enumerate(members)]


def run(jobs: Sequence[Job], population_size: int = 8) -> None:
    population.run(jobs, population_size=population_size, watch=Quiet())


def hurt(
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[], None],
    *,
    step: int | None = None,
    batch: int | None = None,
) -> pytest.MonkeyPatch:
    """Calls `act` after so many dispatches of one update, or in the evaluation of a batch."""
    make = population.make_program
    calls = {"train_steps": 0, "eval_step": 0}

    def wrap(name: str, function: Any, when: int | None) -> Any:
        def wrapped(*args: Any) -> Any:
            result = function(*args)
            calls[name] += 1
            if calls[name] == when:
                act()
            return result

        return wrapped

    def make_hurt(*args: Any) -> Any:
        program = make(*args)
        return program._replace(
            train_steps=wrap("train_steps", program.train_steps, step),
            eval_step=wrap("eval_step", program.eval_step, batch),
        )

    monkeypatch.setattr(pace, "SECONDS", 0.0)
    monkeypatch.setattr(population, "make_program", make_hurt)
    return monkeypatch


def halt(monkeypatch: pytest.MonkeyPatch, jobs: Sequence[Job], **when: int) -> str:
    """Runs jobs until a signal comes; what they say then."""
    with monkeypatch.context() as patch:
        hurt(patch, terminate, **when)
        with pytest.raises(Interrupted) as stopped:
            run(jobs)
    return str(stopped.value)


@pytest.fixture(scope="module", autouse=True)
def small_evaluation_batches() -> Iterator[None]:
    """Two batches of validation and eight of test, so that a signal may come in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asrnn.training.population.BATCH_SIZE", 50)
        yield


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    compilation_cache: Path,
    small_evaluation_batches: None,
) -> list[Job]:
    jobs = make_jobs(tmp_path_factory.mktemp("undisturbed"))
    run(jobs)
    return jobs


def assert_same(jobs: Sequence[Job], others: Sequence[Job]) -> None:
    """Bit for bit the same runs."""
    for job, other in zip(jobs, others, strict=True):
        assert_same_run(job.workdir, other.workdir)


def assert_close(workdir: Path, other: Path, rtol: float = 1e-4) -> None:
    """The same rows and parameters to rounding, at a learning rate where it does not grow."""
    left, right = rows(workdir), rows(other)
    assert [(r["step"], r["split"]) for r in left] == [(r["step"], r["split"]) for r in right]
    for one, two in zip(left, right, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=rtol)
        assert one["accuracy"] == pytest.approx(two["accuracy"], abs=1e-6)
    trees = (checkpoint(folder).tree.state for folder in (workdir, other))
    for one, two in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(one, two, rtol=rtol, atol=1e-5)


# ---- what a member is


@pytest.mark.parametrize(
    ("backend", "fields"),
    [
        pytest.param("scan", {}, id="scan"),
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
    jobs = make_jobs(tmp_path, recurrence__backend=backend, **fields)
    run(jobs)
    for i, job in enumerate(jobs):
        alone = train_and_evaluate(job.config, tmp_path / "alone" / str(i))
        assert_close(job.workdir, tmp_path / "alone" / str(i))
        found = summary(job.workdir)
        assert found.pop("population") == {"size": 3, "index": i}
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
        "from tests.sweeps.test_population import MEMBERS, make_jobs, population, run; "
        f"jobs = make_jobs(Path({str(tmp_path)!r}), MEMBERS[:2], **{two!r}); "
        "assert population.make_program(population.make_experiment(jobs[0].config), 2)"
        ".mesh.size == 2; run(jobs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for i, job in enumerate(jobs):
        train_and_evaluate(job.config, tmp_path / "alone" / str(i))
        assert_close(job.workdir, tmp_path / "alone" / str(i))


def test_a_population_has_a_size_at_most(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, training__steps=2)
    run(jobs, population_size=2)
    found = [summary(job.workdir)["population"] for job in jobs]
    assert found == [{"size": 2, "index": 0}, {"size": 2, "index": 1}, {"size": 1, "index": 0}]


# ---- which runs are members of one population

OWN = {
    *("seed", "model.step_size", "model.diffusion", "model.init_scale"),
    *(f"optimizer.{name}" for name in ("learning_rate", "momentum", "initial_accumulator")),
    *(f"optimizer.{name}" for name in ("epsilon", "beta1", "beta2", "decay_factor")),
}

OTHER_VALUES: dict[str, Any] = {
    "task.name": "mnist",
    "task.source": "files",
    "task.data_dir": "elsewhere",
    "task.noise": "fixed",
    "model.cell": "vanilla",
    "model.discretization": "midpoint",
    "recurrence.backend": "fused",
    "optimizer.name": "sgd",
    "optimizer.schedule": "cosine",
}


@pytest.mark.parametrize("field", sorted(flatten(base_config().to_dict())))
def test_a_field_is_a_members_own_or_makes_another_population(field: str, tmp_path: Path) -> None:
    one, other = tiny_config(), tiny_config()
    value = flatten(one.to_dict())[field]
    if isinstance(value, bool):
        changed: Any = not value
    else:
        changed = OTHER_VALUES[field] if isinstance(value, str) else value + 1
    other.update_from_flattened_dict({field: changed})
    groups = population.groups([Job(tmp_path / "a", one), Job(tmp_path / "b", other)])
    assert len(groups) == (1 if field in OWN else 2)


def test_the_norm_to_clip_at_is_a_members_own_where_all_clip(tmp_path: Path) -> None:
    norms = (1.0, 0.0, 2.0)
    jobs = [
        Job(tmp_path / str(i), tiny_config(optimizer__clip_norm=n)) for i, n in enumerate(norms)
    ]
    assert population.groups(jobs) == [[jobs[0], jobs[2]], [jobs[1]]]


def test_a_seed_that_decides_what_is_learnt_makes_another_population(tmp_path: Path) -> None:
    fields = {"task__name": "noise_padded_cifar10", "task__source": "tfds"}

    def number(noise: str) -> int:
        seeds = [{"seed": 0}, {"seed": 1}]
        return len(population.groups(make_jobs(tmp_path, seeds, **fields, task__noise=noise)))

    assert number("fresh") == 1
    assert number("fixed") == 2


# ---- again, stopped, killed, continued


def test_what_is_finished_is_not_touched_again(undisturbed: list[Job]) -> None:
    files = [p for job in undisturbed for p in job.workdir.rglob("*") if p.is_file()]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in files]
    run(undisturbed)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in files] == before


@pytest.mark.parametrize(
    ("when", "step"),
    [
        pytest.param({"step": 3}, 3, id="inside_a_log_window"),
        pytest.param({"step": 5}, 5, id="at_a_row"),
        pytest.param({"step": 12}, 12, id="at_the_last_update"),
        pytest.param({"batch": 1}, 7, id="validation"),
        pytest.param({"batch": 2}, 7, id="end_of_validation"),
        pytest.param({"batch": 3}, 12, id="last_validation"),
        pytest.param({"batch": 7}, 12, id="test"),
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


@pytest.mark.parametrize("step", [7, 12])
def test_a_population_killed_and_resumed_is_the_undisturbed_one(
    step: int, undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path)
    with monkeypatch.context() as patch:
        hurt(patch, kill, step=step)
        with pytest.raises(Killed):
            run(jobs)
    assert all(step - 4 <= checkpoint(job.workdir).step < step for job in jobs)
    run(jobs)
    assert_same(jobs, undisturbed)


def test_the_number_of_updates_per_dispatch_changes_nothing(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SECONDS", 0.0)
    jobs = make_jobs(tmp_path)
    run(jobs)
    assert_same(jobs, undisturbed)


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


def test_single_runs_take_up_what_a_population_began(
    undisturbed: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path)
    halt(monkeypatch, jobs, step=6)
    for job, other in zip(jobs, undisturbed, strict=True):
        assert train_and_evaluate(job.config, job.workdir)["status"] == "done"
        assert_close(job.workdir, other.workdir)


def test_more_steps_continue_a_population_as_if_it_had_been_longer(tmp_path: Path) -> None:
    fields = {"training__log_every": 2, "training__eval_every": 4}
    grown, longer = tmp_path / "grown", tmp_path / "longer"
    run(make_jobs(grown, **fields, training__steps=8))
    run(make_jobs(grown, **fields, training__steps=12))
    run(make_jobs(longer, **fields, training__steps=12))
    assert_same(make_jobs(grown), make_jobs(longer))


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
    run(make_jobs(tmp_path, members), population_size=2)
    assert len(programs) == 1
    assert programs[0].train_steps._cache_size() == 1
    assert programs[0].eval_step._cache_size() == 2  # validation part and test part


# ---- a member that diverges


def with_second_member_at(folder: Path, rate: float) -> list[Job]:
    members = [{"seed": s, "optimizer__learning_rate": r} for s, r in enumerate((0.1, rate, 0.2))]
    return make_jobs(folder, members, optimizer__name="sgd")


def test_a_member_that_diverges_changes_no_bit_of_the_others(tmp_path: Path) -> None:
    wild, tame = (
        with_second_member_at(tmp_path / n, rate) for n, rate in (("wild", 1e38), ("tame", 0.1))
    )
    run(wild)
    run(tame)
    assert [outcome(job).status for job in wild] == ["done", "diverged", "done"]
    assert_same(wild[::2], tame[::2])


def test_a_member_diverges_as_it_does_alone(tmp_path: Path) -> None:
    job = with_second_member_at(tmp_path, 1e38)[1]
    run(with_second_member_at(tmp_path, 1e38))
    found = summary(job.workdir)
    assert (found["status"], found["steps"], found["test_accuracy"]) == ("diverged", 2, None)
    assert found["population"] == {"size": 3, "index": 1}
    assert rows(job.workdir) == []
    before = (job.workdir / "summary.json").stat().st_mtime_ns
    run([job])
    assert (job.workdir / "summary.json").stat().st_mtime_ns == before


def test_a_population_of_which_all_diverge_comes_to_an_end(tmp_path: Path) -> None:
    fields = {"optimizer__name": "sgd", "optimizer__learning_rate": 1e38}
    jobs = make_jobs(tmp_path, [{"seed": 0}, {"seed": 1}], **fields)
    run(jobs)
    assert [outcome(job).status for job in jobs] == ["diverged", "diverged"]


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


def test_a_workdir_of_another_run_is_refused_and_left_alone(
    undisturbed: list[Job], tmp_path: Path
) -> None:
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
