"""Flax NNX modules: they hold parameters, the functions of this package do the maths."""

from asrnn.models.flax_cell import AntisymmetricCell, RecurrentCell
from asrnn.models.network import READOUTS, Dropout, SequenceNetwork, num_parameters

__all__ = [
    "READOUTS",
    "AntisymmetricCell",
    "Dropout",
    "RecurrentCell",
    "SequenceNetwork",
    "num_parameters",
]
