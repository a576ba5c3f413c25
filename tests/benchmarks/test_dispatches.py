"""How many updates a dispatch of the benchmark makes, and how many dispatches a run."""

from __future__ import annotations

import numpy as np
import pytest

from asrnn.benchmarks import dispatches, repetition
from asrnn.benchmarks.dispatches import paced
from asrnn.training import dispatch_size


def test_what_is_told_is_the_time_of_an_update_of_one_member() -> None:
    made = paced(_Clockless(members=4), 4, 1.0, 1)
    made.run()
    assert made.repetitions == made.details["updates"] * 4
    assert made.details["members"] == 4


class _Clockless:
    """Counts the updates it is asked for."""

    def __init__(self, members: int):
        self.steps = np.zeros(members, int)
        self.counts: list[int] = []

    def __call__(self, count: int) -> dict[str, np.ndarray]:
        self.steps = np.full(len(self.steps), count)
        self.counts.append(count)
        return {"steps": self.steps}


def test_updates_that_were_not_made_are_a_defect() -> None:
    class Lazy(_Clockless):
        def __call__(self, count: int) -> dict[str, np.ndarray]:
            return {"steps": self.steps}

    with pytest.raises(AssertionError, match="updates were made"):
        paced(Lazy(members=2), 2, 1.0, 1).run()


def test_a_dispatch_makes_as_many_updates_as_one_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatches, "RUN_SECONDS", 0.0)
    for seconds, count in ((1e9, dispatch_size.MAX_STEPS), (0.0, 1)):
        monkeypatch.setattr(dispatch_size, "SECONDS", seconds)
        assert paced(_Clockless(members=2), 2, 1.0, 1).details["updates"] == count


@pytest.mark.parametrize(("accelerated", "uncounted"), [(False, 1), (True, repetition.WARM_UP)])
def test_the_dispatch_that_is_timed_comes_after_others(
    monkeypatch: pytest.MonkeyPatch, accelerated: bool, uncounted: int
) -> None:
    monkeypatch.setattr(repetition, "accelerated", lambda: accelerated)
    asked = _Clockless(members=1)
    paced(asked, 1, 1.0, 1)
    assert asked.counts == [1] * (uncounted + 1)
