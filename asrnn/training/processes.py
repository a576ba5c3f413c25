"""The processes of one run: how they find each other, and how one leaves without the rest."""

import atexit
import os
import sys
import threading
from typing import NoReturn

import jax

from asrnn.errors import ConfigError, one_line

JOIN_SECONDS = 120.0  # from the start of the first process to that of the last


def join(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Makes this process one of several that train together; before jax starts.

    Args:
      coordinator_address: HOST:PORT of process 0, where it will listen.
      num_processes: how many there are.
      process_id: which this is, from 0. All three may be left to a scheduler that jax knows.

    Raises:
      ConfigError: if they cannot be used, or the processes do not meet in time.
    """
    _check(coordinator_address, num_processes, process_id)
    # XLA would take SIGTERM as a notice, and nothing would end a process until the run handles it.
    jax.config.update("jax_enable_preemption_service", False)
    failures: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                coordinator_address,
                num_processes,
                process_id,
                initialization_timeout=round(2 * JOIN_SECONDS),
            )
        except Exception as error:  # to be raised in the thread that waits
            failures.append(error)

    # After its own timeout jax aborts the process with a stack trace.
    thread = threading.Thread(target=initialize, daemon=True)
    thread.start()
    thread.join(JOIN_SECONDS)
    if thread.is_alive():
        where = f" at {coordinator_address}" if coordinator_address else ""
        _refuse(
            f"the processes did not meet{where} within {JOIN_SECONDS:g} s; start each with its own"
            " --process_id, and see that process 0 runs and its port can be reached"
        )
    if failures:
        reason = one_line(failures[0])
        _refuse(
            f"cannot join the other processes ({reason}); outside of a scheduler that jax knows,"
            " give --coordinator_address, --num_processes and --process_id"
        )


def is_first() -> bool:
    """Whether this is the process that writes and shows what a run does."""
    index: int = jax.process_index()
    return index == 0


def leave_without_goodbye(code: int) -> None:
    """Lets this process end with a code and without waiting for processes that are gone.

    What is printed until its end is kept. To be followed by an exception.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)  # the last to be registered runs before that of jax


def _check(address: str | None, number: int | None, index: int | None) -> None:
    given = [value is not None for value in (address, number, index)]
    if any(given) and not all(given):
        raise ConfigError(
            "--coordinator_address, --num_processes and --process_id belong together;"
            " give all three, or none if a scheduler provides them"
        )
    if address is None or number is None or index is None:
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(f"--coordinator_address must be HOST:PORT, found {address!r}")
    if number < 1:
        raise ConfigError(f"--num_processes must be at least 1, found {number}")
    if not 0 <= index < number:
        raise ConfigError(
            f"--process_id must be from 0 to {number - 1} for --num_processes={number},"
            f" found {index}"
        )


def _refuse(message: str) -> NoReturn:
    leave_without_goodbye(ConfigError.exit_code)
    raise ConfigError(message)
