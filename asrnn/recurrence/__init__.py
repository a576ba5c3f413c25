"""A cell along a sequence: several backends, one signature, one meaning."""

from asrnn.recurrence.kernels import (
    BACKENDS,
    FORMER_NAMES,
    PRECISIONS,
    Choice,
    choose_backend,
    rounding_products,
    unroll,
)
from asrnn.recurrence.reversible import check_reversible

__all__ = [
    "BACKENDS",
    "FORMER_NAMES",
    "PRECISIONS",
    "Choice",
    "check_reversible",
    "choose_backend",
    "rounding_products",
    "unroll",
]
