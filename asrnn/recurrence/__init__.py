"""A cell along a sequence: several backends, one signature, one meaning."""

from asrnn.recurrence.kernels import (
    BACKENDS,
    FORMER_NAMES,
    Choice,
    check_rounding,
    choose_backend,
    unroll,
)
from asrnn.recurrence.precision import PRECISIONS, products_in
from asrnn.recurrence.reversible import check_reversible

__all__ = [
    "BACKENDS",
    "FORMER_NAMES",
    "PRECISIONS",
    "Choice",
    "check_reversible",
    "check_rounding",
    "choose_backend",
    "products_in",
    "unroll",
]
