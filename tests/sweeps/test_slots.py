"""Cores and GPUs are dealt out before a trial's process starts."""

import tempfile

import pytest

from asrnn.sweeps.slots import claimed_core, make_slots, visible_gpus


def test_every_worker_has_as_many_cores_for_they_decide_how_sums_are_rounded():
    assert [slot.cores for slot in make_slots(2, range(5), [])] == [(0, 1), (2, 3)]


def test_workers_beyond_the_cores_share_them():
    assert [slot.cores for slot in make_slots(3, (4, 6), [])] == [(4,), (6,), (4,)]


def test_where_a_system_cannot_pin_nobody_is_pinned():
    assert [slot.cores for slot in make_slots(2, (), [])] == [(), ()]


def test_a_gpu_each_leaves_its_memory_alone():
    environments = [slot.environment for slot in make_slots(2, (), ["0", "3"])]
    assert environments == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "3"}]


def test_workers_on_one_gpu_take_their_part_of_its_memory():
    fractions = [
        slot.environment.get("XLA_CLIENT_MEM_FRACTION") for slot in make_slots(3, (), ["0", "1"])
    ]
    assert fractions == ["0.450", None, "0.450"]


def test_the_user_may_name_the_gpus_or_none():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2,5"}) == ["2", "5"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert visible_gpus({"JAX_PLATFORMS": "cpu"}) == []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One on which nobody else claims cores."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def test_cores_that_nobody_deals_out_are_claimed_one_by_one_and_given_back(machine):
    with claimed_core((4, 6)) as first:
        with claimed_core((4, 6)) as second:
            assert (first, second) == ((4,), (6,))
        with claimed_core((4, 6)) as third:
            assert third == (6,)


def test_when_all_cores_are_claimed_they_are_shared(machine):
    with claimed_core((4,)), claimed_core((4,)) as shared:
        assert shared == (4,)


def test_where_a_system_cannot_pin_no_core_is_claimed(machine):
    with claimed_core(()) as nothing:
        assert nothing == ()
