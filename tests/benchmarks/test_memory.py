"""The peak memory of a device, as jax counts it."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import pytest

from asrnn.benchmarks.memory import device_peak_bytes


@pytest.mark.parametrize(
    ("statistics", "peak"),
    [
        ([{"peak_bytes_in_use": 7, "bytes_in_use": 3}], 7),
        ([{"peak_bytes_in_use": 7}, {"peak_bytes_in_use": 9}, None], 9),
        ([None], None),
        ([{}], None),
    ],
)
def test_it_is_that_of_the_fullest_device_that_counts(
    monkeypatch: pytest.MonkeyPatch, statistics: list[dict[str, int] | None], peak: int | None
) -> None:
    devices = [SimpleNamespace(memory_stats=lambda each=each: each) for each in statistics]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    assert device_peak_bytes() == peak
