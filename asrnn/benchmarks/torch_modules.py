"""PyTorch's recurrent modules: a batch of sequences forward and back.

The same quantities as in `asrnn.benchmarks.recurrences`: the last hidden state without
recording a graph, or a scalar of it and the gradient in all parameters. All cores are used.

XLA treats numbers below 1e-38 as zero, torch by default does not. The gradient of a tanh RNN
vanishes into such numbers within a few hundred steps, and an Intel core takes many times
longer over them. So that both do the same arithmetic, torch runs with `set_flush_denormal`.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax

from asrnn.benchmarks.cases import FORWARD, Problem
from asrnn.benchmarks.system import Prepared
from asrnn.training.devices import cpu_cores


def obstacle() -> str | None:
    """Why PyTorch cannot be measured here."""
    if find_spec("torch") is None:
        return "torch is not installed: pip install 'asrnn[bench]'"
    import torch

    if jax.default_backend() == "gpu" and not torch.cuda.is_available():
        return "this torch cannot use the GPU"
    return None


def prepare(module: str, problem: Problem) -> Prepared:
    """`torch.nn.RNN`, `GRU` or `LSTM` of one layer."""
    import torch

    size = problem.case.shape
    device = torch_device()
    torch.manual_seed(0)
    network = getattr(torch.nn, module)(size.m, size.n).to(device)
    parameters = list(network.parameters())
    inputs = torch.rand(size.T, size.B, size.m, device=device)
    weights = torch.randn(size.B, size.n, device=device)

    def last_state() -> Any:
        _, state = network(inputs)
        return (state[0] if module == "LSTM" else state)[0]

    def forward() -> Any:
        with torch.no_grad():
            return last_state()

    def forward_backward() -> Any:
        scalar = (last_state() * weights).sum()
        return scalar.detach(), torch.autograd.grad(scalar, parameters)

    work = forward if problem.work == FORWARD else forward_backward
    return Prepared(complete(work), details={"threads": torch.get_num_threads()})


def torch_device() -> str:
    """The device of jax, by torch's name; on a CPU, torch is given all cores."""
    import torch

    if jax.default_backend() == "gpu":
        return "cuda"
    torch.set_num_threads(cpu_cores())
    return "cpu"


def complete(work: Callable[[], Any]) -> Callable[[], Any]:
    """The work, without denormal numbers, returning when it is done on a GPU too.

    The threads of torch's pool begin in the first call and keep that mode; this one drops it.
    """
    import torch

    def run() -> Any:
        torch.set_flush_denormal(True)
        try:
            result = work()
        finally:
            torch.set_flush_denormal(False)
        if jax.default_backend() == "gpu":
            torch.cuda.synchronize()
        return result

    return run
