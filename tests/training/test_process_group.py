"""What one process knows, all know after a meeting; threads stand for the processes here."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from asrnn.errors import CheckpointError, ConfigError, DivergedError, Interrupted
from asrnn.signals import StopRequest
from asrnn.training import process_group
from asrnn.training.process_group import ProcessGroup

TIMEOUT = 300.0  # seconds after which a process that nobody meets has failed the test

Part = Callable[[ProcessGroup, StopRequest], Any]


class Together:
    """Runs one function per process and keeps what each returned or raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int):
        self._count = count
        self._here = threading.local()
        self._table: list[Any] = [None] * count
        self._barrier = threading.Barrier(count, timeout=TIMEOUT)
        self.left: dict[int, int] = {}
        monkeypatch.setattr(jax, "process_count", lambda: count)
        monkeypatch.setattr(jax, "process_index", lambda: self._here.index)
        monkeypatch.setattr(process_group, "_gather", self._gather)
        monkeypatch.setattr(process_group, "_broadcast", lambda data: self._gather(data)[0])
        monkeypatch.setattr(process_group, "leave_without_goodbye", self._leave)

    def run(self, *parts: Part) -> list[Any]:
        assert len(parts) == self._count
        results: list[Any] = [None] * self._count

        def process(index: int) -> None:
            self._here.index = index
            stop = StopRequest()
            try:
                with ProcessGroup(stop) as group:
                    results[index] = parts[index](group, stop)
            except BaseException as error:
                results[index] = error

        threads = [threading.Thread(target=process, args=(i,)) for i in range(self._count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * TIMEOUT)
            assert not thread.is_alive()
        return results

    def _gather(self, mine: Any) -> list[Any]:
        self._table[self._here.index] = mine
        self._barrier.wait()
        found = list(self._table)
        self._barrier.wait()
        return found

    def _leave(self, code: int) -> None:
        self.left[self._here.index] = code


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Together:
    return Together(monkeypatch, 2)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Together:
    return Together(monkeypatch, 3)


def go_on(group: ProcessGroup, stop: StopRequest) -> str:
    """A process with nothing to say, for three meetings."""
    for _ in range(3):
        group.meet()
    return "done"


def failing(error: BaseException) -> Part:
    """A process that fails after its second meeting."""

    def fail(group: ProcessGroup, stop: StopRequest) -> None:
        group.meet()
        group.meet()
        raise error

    return fail


def test_one_process_hears_of_its_own_signals_and_keeps_its_own_values() -> None:
    stop = StopRequest()
    with ProcessGroup(stop) as group:
        assert group.alone
        assert group.first
        assert group.meet(7) == 7
        assert group.received is None
        stop.received = signal.SIGUSR1
        assert group.received is None  # not before it is asked
        group.meet()
        assert group.received is signal.SIGUSR1
        tree = {"a": np.ones(2)}
        assert group.share_arrays(tree) is tree
        assert group.share([1, None]) == [1, None]


def test_a_signal_to_one_process_is_one_to_all_from_the_same_meeting_on(two: Together) -> None:
    def quiet(group: ProcessGroup, stop: StopRequest) -> list[Any]:
        heard = []
        for _ in range(3):
            group.meet()
            heard.append(group.received)
        return heard

    def told(group: ProcessGroup, stop: StopRequest) -> list[Any]:
        group.meet()
        heard = [group.received]
        stop.received = signal.SIGTERM
        for _ in range(2):
            group.meet()
            heard.append(group.received)
        return heard

    heard = [None, signal.SIGTERM, signal.SIGTERM]
    assert two.run(quiet, told) == [heard, heard]
    assert two.run(told, quiet) == [heard, heard]


def test_the_value_of_the_first_process_is_that_of_all(three: Together) -> None:
    parts = [lambda group, stop, i=i: group.meet(10 + i) for i in range(3)]
    assert three.run(*parts) == [10, 10, 10]


def test_what_json_holds_and_arrays_are_shared_bit_for_bit(two: Together) -> None:
    values = {"accuracy": 0.1 + 0.2, "step": None, "name": "né"}
    tree = {
        "a": np.array([[-0.0, np.nan, np.inf]], np.float32),
        "b": np.array(7, np.int32),
        "c": np.zeros((0, 2), np.float32),
    }
    blank = jax.tree.map(np.zeros_like, tree)

    def first(group: ProcessGroup, stop: StopRequest) -> Any:
        return group.share(values), group.share(None), group.share_arrays(tree)

    def other(group: ProcessGroup, stop: StopRequest) -> Any:
        return group.share(None), group.share("mine"), group.share_arrays(blank)

    for found, none, arrays in two.run(first, other):
        assert found == values
        assert none is None
        for name, array in tree.items():
            assert arrays[name].tobytes() == array.tobytes()
            assert (arrays[name].shape, arrays[name].dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("index", [0, 1])
def test_an_error_of_one_process_ends_the_other_with_its_kind(index: int, two: Together) -> None:
    parts: list[Part] = [go_on, go_on]
    parts[index] = failing(CheckpointError("the disk is full"))
    results = two.run(*parts)
    assert all(type(result) is CheckpointError for result in results)
    assert str(results[index]) == "the disk is full"
    assert str(results[1 - index]) == f"process {index}: the disk is full"
    assert two.left == {}


def test_an_error_after_the_last_meeting_of_the_others_ends_them_too(two: Together) -> None:
    def fail(group: ProcessGroup, stop: StopRequest) -> None:
        go_on(group, stop)
        raise CheckpointError("no summary")

    results = two.run(fail, go_on)
    assert [str(result) for result in results] == ["no summary", "process 0: no summary"]


def test_all_leave_as_the_first_of_those_that_failed(three: Together) -> None:
    """Process 1 says that the state is saved, and process 0 could not save it."""
    results = three.run(failing(CheckpointError("not saved")), failing(Interrupted("saved")), go_on)
    assert [result.exit_code for result in results] == [5, 5, 5]


def test_an_error_that_all_have_is_told_as_ones_own(two: Together) -> None:
    results = two.run(failing(DivergedError("at 7")), failing(DivergedError("at 7")))
    assert [str(result) for result in results] == ["at 7", "at 7"]


def test_a_long_text_in_any_script_fits_into_a_message() -> None:
    for text in ("\U0001f600" * 10_000, "\\" * 10_000, "\x00" * 10_000, "\udcff" * 10_000):
        message = {
            "stop": 15,
            "value": 2**31,
            "code": 75,
            "error": text[: process_group.TEXT_LENGTH],
        }
        assert len(process_group._encode(message)) == process_group.MESSAGE_BYTES
        assert json.loads(process_group._encode(message).tobytes())["code"] == 75


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_lost_process_is_an_interruption_and_nobody_waits_for_it(
    error: type[Exception], two: Together
) -> None:
    lost = "UNKNOWN: Gloo AllGather failed: Connection closed by peer"
    for result in two.run(failing(error(lost)), failing(error(lost))):
        assert type(result) is Interrupted
        assert "Connection closed by peer" in str(result)
    assert two.left == {0: 75, 1: 75}


def test_a_process_lost_in_the_last_meeting_is_an_interruption_too(
    two: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(message: Any) -> Any:
        raise ValueError("Gloo: gone")

    monkeypatch.setattr(process_group, "_gather", gone)
    config = ConfigError("mine")
    done = lambda group, stop: None  # noqa: E731
    results = two.run(done, lambda group, stop: (_ for _ in ()).throw(config))
    assert [type(result) for result in results] == [Interrupted, Interrupted]


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError(), 1), (KeyboardInterrupt(), 130)])
def test_a_defect_leaves_at_once_so_that_the_others_notice(
    error: BaseException, code: int, two: Together
) -> None:
    results = two.run(failing(error), failing(error))
    assert results == [error, error]
    assert two.left == {0: code, 1: code}
