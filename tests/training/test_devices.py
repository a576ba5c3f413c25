"""A batch is shared by all processes alike, or refused."""

from __future__ import annotations

from typing import NamedTuple

import jax
import pytest

from asrnn.errors import ConfigError
from asrnn.training import devices
from asrnn.training.devices import batch_mesh


class Device(NamedTuple):
    id: int
    process_index: int
    platform: str = "cpu"


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> object:
    """Chooses devices of two processes, with three and four of them."""
    there = [Device(i, i // 3) for i in range(6)] + [Device(6, 1)]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "devices", lambda: there)
    monkeypatch.setattr(devices, "Mesh", lambda chosen, *args, **kwargs: chosen)
    return lambda *args: [device.id for device in batch_mesh(*args)]


@pytest.mark.parametrize(
    ("batch_size", "backend", "ids"),
    [
        pytest.param(12, "scan", [0, 1, 2, 3, 4, 5], id="as_many_as_every_process_has"),
        pytest.param(8, "scan", [0, 1, 3, 4], id="as_many_as_divide_the_batch"),
        pytest.param(2, "fused", [0, 3], id="one_of_each"),
        pytest.param(12, "native", [0, 3], id="native_has_threads_of_its_own"),
    ],
)
def test_every_process_gives_as_many_devices(
    batch_size: int, backend: str, ids: list[int], chosen: object
) -> None:
    assert chosen(batch_size, backend) == ids  # type: ignore[operator]


@pytest.mark.parametrize("backend", ["scan", "native"])
def test_a_batch_that_two_processes_cannot_share_is_refused(backend: str, chosen: object) -> None:
    with pytest.raises(ConfigError, match=r"batch_size=7 .* 2 processes; give a multiple of 2"):
        chosen(7, backend)  # type: ignore[operator]
