"""The fixtures of all tests of commands."""

from tests.command.calls import call, flag_values

__all__ = ["call", "flag_values"]
