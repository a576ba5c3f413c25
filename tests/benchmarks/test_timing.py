"""Who runs when, and which times are kept."""

from __future__ import annotations

import gc

import pytest

from asrnn.benchmarks.timing import REST_SECONDS, interleaved


class Stage:
    """Contestants that note their turns, on a clock that only they and the rests move."""

    def __init__(self, costs: dict[str, list[float]]):
        self.now = 0.0
        self.turns: list[str] = []
        self.rests: list[float] = []
        self.collecting: list[bool] = []
        self._costs = {name: iter(seconds) for name, seconds in costs.items()}

    def play(self, name: str) -> None:
        self.turns.append(name)
        self.collecting.append(gc.isenabled())
        self.now += next(self._costs[name])

    def rest(self, seconds: float) -> None:
        self.turns.append("rest")
        self.rests.append(seconds)
        self.now += seconds

    def measure(self, names: str, repeats: int) -> dict[str, list[float]]:
        runs = {name: lambda name=name: self.play(name) for name in names}
        return interleaved(runs, repeats, clock=lambda: self.now, sleep=self.rest)


@pytest.fixture
def stage() -> Stage:
    return Stage({name: [100.0, *(base + i for i in range(9))] for name, base in COSTS.items()})


COSTS = {"a": 1.0, "b": 20.0, "c": 300.0}


def test_all_take_turns_and_each_round_begins_with_another(stage: Stage) -> None:
    stage.measure("abc", 4)
    played = [turn for turn in stage.turns if turn != "rest"]
    assert played[:3] == ["a", "b", "c"]  # not counted
    rounds = ["".join(played[i : i + 3]) for i in range(3, len(played), 3)]
    assert rounds == ["abc", "bca", "cab", "abc"]


def test_the_first_run_is_not_counted_and_neither_are_rests(stage: Stage) -> None:
    seconds = stage.measure("abc", 3)
    assert seconds["a"] == pytest.approx([1, 2, 3])
    assert seconds["b"] == pytest.approx([20, 21, 22])
    assert seconds["c"] == pytest.approx([300, 301, 302])


def test_the_cores_come_to_rest_before_each_counted_run(stage: Stage) -> None:
    stage.measure("ab", 2)
    assert stage.turns == ["a", "b", *["rest", "a", "rest", "b"], *["rest", "b", "rest", "a"]]
    assert set(stage.rests) == {REST_SECONDS}


def test_no_garbage_is_collected_during_counted_runs(stage: Stage) -> None:
    stage.measure("ab", 2)
    assert stage.collecting[2:] == [False] * 4
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure() -> None:
    with pytest.raises(StopIteration):
        Stage({"a": [1.0]}).measure("a", 1)
    assert gc.isenabled()
