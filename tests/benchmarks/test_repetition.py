"""How often a run does its work, and when it is over."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import pytest

from asrnn.benchmarks import repetition
from asrnn.benchmarks.repetition import RUN_SECONDS, best_of, gpu_obstacle, repeated


class Device:
    """Notes what it is given to do and what is waited for; results are numbered."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def work(self) -> int:
        self.events.append("work")
        return self.events.count("work")

    def wait(self, result: int) -> None:
        self.events.append(f"wait {result}")


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stands for an accelerator that does any work in so many seconds."""

    def take(seconds: float) -> None:
        monkeypatch.setattr(repetition, "accelerated", lambda: True)
        monkeypatch.setattr(repetition, "best_of", lambda run: seconds)

    return take


def test_on_a_cpu_a_run_is_the_work_once_and_nothing_runs_before() -> None:
    device = Device()
    run, times = repeated(device.work, device.wait)
    assert (times, device.events) == (1, [])
    assert run() == 1
    assert device.events == ["work", "wait 1"]


def test_on_an_accelerator_all_is_handed_over_before_the_last_result_is_waited_for(
    takes: Callable[[float], None],
) -> None:
    takes(RUN_SECONDS / 4)
    device = Device()
    run, times = repeated(device.work, device.wait)
    assert times == 4
    assert run() == 4
    assert device.events == ["work"] * 4 + ["wait 4"]
    assert run() == 8


@pytest.mark.parametrize(("seconds", "times"), [(0.0002, 1000), (RUN_SECONDS, 1), (60.0, 1)])
def test_the_work_fills_a_run(takes: Callable[[float], None], seconds: float, times: int) -> None:
    takes(seconds)
    assert repeated(lambda: None, lambda result: None)[1] == times


@pytest.mark.parametrize(("accelerated", "uncounted"), [(False, 1), (True, repetition.WARM_UP)])
def test_the_fastest_trial_after_a_warm_up_counts(
    monkeypatch: pytest.MonkeyPatch, accelerated: bool, uncounted: int
) -> None:
    monkeypatch.setattr(repetition, "accelerated", lambda: accelerated)
    now = 0.0
    durations = iter([0.5] * uncounted + [3.0, 1.0, 2.0])

    def run() -> None:
        nonlocal now
        now += next(durations)

    monkeypatch.setattr(repetition, "time", SimpleNamespace(perf_counter=lambda: now))
    assert best_of(run) == 1.0
    assert next(durations, None) is None


@pytest.mark.parametrize("platform", ["cpu", "tpu", "gpu"])
def test_what_only_a_gpu_has_is_left_out_elsewhere(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert gpu_obstacle() == (None if platform == "gpu" else "only a GPU can do it")
