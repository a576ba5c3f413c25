"""asrnn: recurrent networks from ordinary differential equations, in JAX and Flax.

First of all the AntisymmetricRNN of Chang, Chen, Haber and Chi (ICLR 2019,
arXiv:1902.09689).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asrnn.signals import take_for_a_command

if TYPE_CHECKING:
    from asrnn.models import AntisymmetricCell, SequenceNetwork
    from asrnn.recurrence import unroll
    from asrnn.trained import load
    from asrnn.training.loop import train_and_evaluate

__version__ = "0.1.0"

__all__ = ["AntisymmetricCell", "SequenceNetwork", "load", "train_and_evaluate", "unroll"]

_HOMES = {
    "AntisymmetricCell": "asrnn.models",
    "SequenceNetwork": "asrnn.models",
    "load": "asrnn.trained",
    "train_and_evaluate": "asrnn.training.loop",
    "unroll": "asrnn.recurrence",
}


take_for_a_command()


def __getattr__(name: str) -> Any:
    """Imports jax and flax only when something needs them: a command first takes its signals."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'asrnn' has no attribute {name!r}")
