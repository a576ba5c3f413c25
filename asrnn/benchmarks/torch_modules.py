"""PyTorch's recurrent modules: a batch of sequences forward and back.

The same quantities as in `asrnn.benchmarks.recurrences`: the last hidden state without
recording a graph, or a scalar of it and the gradient with respect to all parameters. All
cores are used.

XLA treats numbers below 1e-38 as zero, torch by default does not. The gradient of a tanh RNN
vanishes into such numbers within a few hundred steps, and an Intel core takes many times
longer over them. So that both do the same arithmetic, torch runs with `set_flush_denormal`.

On a GPU these modules are cuDNN's. torch lets cuDNN round the factors of its products to the
10 bits of TF32 by default, which no other system does; so that is switched off, and the
systems that are named after it switch it on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import jax

from asrnn.benchmarks.cases import FORWARD, Workload
from asrnn.benchmarks.repetition import gpu_obstacle, repeated
from asrnn.benchmarks.system import Prepared
from asrnn.training.devices import cpu_cores

EXACT = "ieee"
ROUNDED = "tf32"
"""How float32 products are made on a GPU, by torch's names."""


def obstacle(precision: str = EXACT) -> str | None:
    """Why PyTorch cannot be measured here with such products."""
    if precision == ROUNDED and (elsewhere := gpu_obstacle()):
        return elsewhere
    if find_spec("torch") is None:
        return "torch is not installed: pip install 'torch>=2.5'"
    import torch

    if jax.default_backend() == "gpu" and not torch.cuda.is_available():
        return "this torch cannot use the GPU"
    return None


def prepare(module: str, precision: str, workload: Workload) -> Prepared:
    """`torch.nn.RNN`, `GRU` or `LSTM` of one layer, with `EXACT` or `ROUNDED` products."""
    import torch

    size = workload.case.shape
    device = torch_device()
    torch.manual_seed(0)
    network = getattr(torch.nn, module)(size.m, size.n).to(device)
    if device == "cuda" and workload.work == FORWARD:
        network.eval()  # while it trains, cuDNN stores what a backward pass would need
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

    work = forward if workload.work == FORWARD else forward_backward
    run, times = complete(work, precision)
    return Prepared(run, times, details={"threads": torch.get_num_threads()})


def torch_device() -> str:
    """The device of jax, by torch's name; on a CPU, torch is given all cores."""
    import torch

    if jax.default_backend() == "gpu":
        return "cuda"
    torch.set_num_threads(cpu_cores())
    return "cpu"


def complete(work: Callable[[], Any], precision: str = EXACT) -> tuple[Callable[[], Any], int]:
    """A run of the work that returns when it is done, on a GPU too, and how often it does it.

    It goes without denormal numbers, and with such products as are asked for.
    """
    import torch

    def wait(result: Any) -> None:
        del result
        if jax.default_backend() == "gpu":
            torch.cuda.synchronize()

    with _no_denormals(), float32_products(precision):
        run, times = repeated(work, wait)

    def agreed() -> Any:
        with _no_denormals(), float32_products(precision):
            return run()

    return agreed, times


@contextmanager
def _no_denormals() -> Iterator[None]:
    """The threads of torch's pool begin in the first call and keep that mode; this one drops it."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """Lets cuDNN's recurrences and cuBLAS make float32 products so, `EXACT` or `ROUNDED`."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn.rnn, "fp32_precision"):
        with (
            _set(cudnn.rnn, "fp32_precision", precision),
            _set(matmul, "fp32_precision", precision),
        ):
            yield
    else:  # torch < 2.9
        rounded = precision == ROUNDED
        with _set(cudnn, "allow_tf32", rounded), _set(matmul, "allow_tf32", rounded):
            yield


@contextmanager
def _set(switch: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(switch, name)
    setattr(switch, name, value)
    try:
        yield
    finally:
        setattr(switch, name, before)
