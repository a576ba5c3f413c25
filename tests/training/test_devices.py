"""A batch is shared by all processes alike, or refused; commands start jax as they say."""

from __future__ import annotations

from typing import NamedTuple

import jax
import pytest

from asrnn.errors import ConfigError
from asrnn.training import devices
from asrnn.training.devices import batch_mesh, device_name


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
        pytest.param(2, "adjoint", [0, 3], id="one_of_each"),
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


@pytest.mark.parametrize("chosen", [None, "tensorfloat32"])
def test_a_trained_network_says_with_which_precision(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "split_cpu_into_cores", lambda: None)  # jax has started
    before = devices.matmul_precision()
    jax.config.update("jax_default_matmul_precision", chosen)
    try:
        devices.configure_jax()
        found = devices.environment(batch_mesh(1, "scan"))
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    assert found["matmul_precision"] == (chosen or "highest")


@pytest.mark.parametrize(("cores", "name"), [(1, "cpu (1 core)"), (2, "cpu (2 cores)")])
def test_a_device_is_named_with_its_cores(
    cores: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asrnn.training.devices.cpu_cores", lambda: cores)
    assert device_name(batch_mesh(1, "scan")) == name
