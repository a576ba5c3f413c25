"""asrnn: recurrent networks from ordinary differential equations, in JAX and Flax.

First of all the AntisymmetricRNN of Chang, Chen, Haber and Chi (ICLR 2019,
arXiv:1902.09689).
"""

from asrnn.models import AntisymmetricCell, SequenceClassifier
from asrnn.recurrence import unroll
from asrnn.training.loop import train_and_evaluate

__version__ = "0.1.0"

__all__ = ["AntisymmetricCell", "SequenceClassifier", "train_and_evaluate", "unroll"]
