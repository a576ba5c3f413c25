"""With which products torch runs; the switches are real, and a CPU takes no notice of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from asrnn.benchmarks import repetition, torch_modules
from asrnn.benchmarks.torch_modules import EXACT, ROUNDED, complete, float32_products

torch = pytest.importorskip("torch", "2.9")


def switches() -> tuple[str, str]:
    return torch.backends.cudnn.rnn.fp32_precision, torch.backends.cuda.matmul.fp32_precision


@pytest.mark.parametrize("precision", [EXACT, ROUNDED])
def test_the_switches_hold_for_a_run_and_are_put_back(precision: str) -> None:
    before = switches()
    run, _ = complete(switches, precision)
    assert run() == (precision, precision)
    assert switches() == before


def test_products_are_exact_unless_asked_for() -> None:
    assert complete(switches)[0]() == (EXACT, EXACT)


@pytest.mark.parametrize("precision", [EXACT, ROUNDED])
def test_trials_run_like_what_is_counted(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    noted = []
    monkeypatch.setattr(repetition, "accelerated", lambda: True)
    monkeypatch.setattr(repetition, "RUN_SECONDS", 0.0)
    complete(lambda: noted.append(switches()), precision)
    assert set(noted) == {(precision, precision)}


def test_the_switches_are_put_back_after_a_failure() -> None:
    before = switches()
    with pytest.raises(ZeroDivisionError), float32_products(ROUNDED):
        raise ZeroDivisionError
    assert switches() == before


@pytest.mark.parametrize(("precision", "allowed"), [(EXACT, False), (ROUNDED, True)])
def test_an_older_torch_has_other_switches(
    monkeypatch: pytest.MonkeyPatch, precision: str, allowed: bool
) -> None:
    cudnn = SimpleNamespace(rnn=SimpleNamespace(), allow_tf32=True)
    matmul = SimpleNamespace(allow_tf32=False)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    with float32_products(precision):
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (allowed, allowed)
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, False)


@pytest.mark.parametrize("precision", [EXACT, ROUNDED])
def test_a_torch_without_cuda_is_left_out_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(torch_modules.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_modules.obstacle(precision) == "this torch cannot use the GPU"


def test_a_gpu_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []
    run, _ = complete(lambda: events.append("work"))
    monkeypatch.setattr(torch_modules.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("synchronize"))
    run()
    assert events == ["work", "synchronize"]
