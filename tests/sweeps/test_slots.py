"""Cores and GPUs are dealt out before a trial's process starts."""

from asrnn.sweeps.slots import make_slots, visible_gpus


def test_the_cores_are_dealt_out_evenly():
    assert [slot.cores for slot in make_slots(2, range(5), [])] == [(0, 2, 4), (1, 3)]


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
