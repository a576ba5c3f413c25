"""A cell along a sequence: several backends, one signature, one meaning."""

from asrnn.recurrence.backends import BACKENDS, Choice, choose_backend, unroll

__all__ = ["BACKENDS", "Choice", "choose_backend", "unroll"]
