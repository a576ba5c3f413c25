"""Small populations of the digits, and ways to hurt them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.config import normalized
from asrnn.errors import Interrupted
from asrnn.sweeps import population
from asrnn.sweeps.trials import Job
from asrnn.training import dispatch_size
from tests.sweeps.quiet import Quiet
from tests.training.runs import assert_same_run, checkpoint, rows, terminate, tiny_config

MEMBERS: tuple[dict[str, Any], ...] = (
    {"seed": 0, "optimizer__learning_rate": 0.01},
    {"seed": 1, "model__step_size": 0.2, "optimizer__beta1": 0.8},
    {"seed": 1, "model__diffusion": 0.1, "model__init_scale": 2.0},
)


def make_jobs(folder: Path, members: Sequence[dict[str, Any]] = MEMBERS, **all_: Any) -> list[Job]:
    """Jobs in folders 0, 1, ...; fields as `tiny_config` takes them, and those that are read."""
    configs = [normalized(tiny_config(**all_, **own)) for own in members]
    return [Job(folder / str(i), config) for i, config in enumerate(configs)]


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

    monkeypatch.setattr(dispatch_size, "SECONDS", 0.0)
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
        assert one.keys() == two.keys()
        if "accuracy" in one:
            assert one["accuracy"] == pytest.approx(two["accuracy"], abs=1e-6)
    trees = (checkpoint(folder).tree.state for folder in (workdir, other))
    for one, two in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(one, two, rtol=rtol, atol=1e-5)
