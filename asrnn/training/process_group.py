"""How the processes of a run stay a group: they meet between what they compute.

All processes run the same program on the same batches. What only one of them knows, a
signal, the clock or a failure, becomes known to all in a meeting, to which every process
comes at the same points of the run. Nothing that can fail in one process alone may stand
between a meeting and the computation after it. Whoever fails, or is done, comes to one
more meeting and says so: nobody waits for a process that has left.
"""

import json
import signal
import zlib
from types import TracebackType
from typing import Any, Literal

import jax
import numpy as np

from asrnn.config import flatten
from asrnn.errors import AsrnnError, ConfigError, DataError, Interrupted, one_line
from asrnn.runs.checkpoints import Checkpoint, Checkpoints
from asrnn.signals import StopRequest
from asrnn.tasks import DataSet
from asrnn.training.experiment import Experiment
from asrnn.training.processes import leave_without_goodbye

Message = dict[str, Any]

MAY_DIFFER = ("task.data_dir",)

TEXT_LENGTH = 600  # characters of an error
MESSAGE_BYTES = 12 * TEXT_LENGTH + 200  # JSON takes up to twelve bytes for a character


class ProcessGroup:
    """The meetings of the processes of one run; with one process they cost nothing.

    Within this context an error of one process becomes one of all, and all leave with the
    exit code of the first process that failed.

    Args:
      stop: whether a signal came to this process.
    """

    def __init__(self, stop: StopRequest):
        self.received: signal.Signals | None = None
        """The signal that some process had received at the last meeting."""
        self._stop = stop
        self._count: int = jax.process_count()
        self._index: int = jax.process_index()
        self._dispersed = False

    def __enter__(self) -> "ProcessGroup":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self.alone or self._dispersed:
            return False
        try:
            if error is None:
                self.meet()
            elif isinstance(error, AsrnnError):
                self._meet({"code": error.exit_code, "error": str(error)[:TEXT_LENGTH]})
        except (ValueError, RuntimeError) as failure:
            error = failure
        if error is None or isinstance(error, AsrnnError):
            return False
        self._dispersed = True
        if _lost_connection(error):
            leave_without_goodbye(Interrupted.exit_code)
            raise Interrupted(
                f"another process of this run is gone ({one_line(error)});"
                " start all of them again to go on from the last checkpoint"
            ) from None
        leave_without_goodbye(130 if isinstance(error, KeyboardInterrupt) else 1)
        raise error

    @property
    def first(self) -> bool:
        """Whether this is the process that reads and writes the workdir."""
        return self._index == 0

    @property
    def alone(self) -> bool:
        """Whether there is but one process."""
        return self._count == 1

    def meet(self, value: int = 0) -> int:
        """Hears of signals and failures in other processes; returns process 0's value.

        Raises:
          AsrnnError: of the kind that another process reports.
        """
        if self.alone:
            self.received = self._stop.received
            return value
        return int(self._meet({"value": value})[0]["value"])

    def share(self, value: Any) -> Any:
        """Process 0's value, of what JSON can hold, in every process."""
        if self.alone:
            return value
        data = json.dumps(value).encode() if self.first else b""
        size = self.meet(len(data))
        padded = np.frombuffer(data.ljust(size), np.uint8)
        return json.loads(_broadcast(padded).tobytes())

    def share_arrays(self, tree: Any) -> Any:
        """Process 0's arrays, bit for bit, in every process.

        Args:
          tree: a pytree of arrays; those of the other processes serve for the shapes.
        """
        if self.alone:
            return tree
        leaves, structure = jax.tree.flatten(jax.device_get(tree))
        bits = np.frombuffer(b"".join(leaf.tobytes() for leaf in leaves), np.uint8)
        data = _broadcast(bits).tobytes()
        shared, start = [], 0
        for leaf in leaves:
            found = np.frombuffer(data, leaf.dtype, leaf.size, start)
            shared.append(found.reshape(leaf.shape))
            start += leaf.nbytes
        return jax.tree.unflatten(structure, shared)

    def _meet(self, message: Message) -> list[Message]:
        """Exchanges messages; raises another process's error if it is not one's own."""
        received = self._stop.received
        mine = {"stop": int(received or 0), "value": 0, "code": 0, "error": ""} | message
        messages = _gather(mine)
        stops = [theirs["stop"] for theirs in messages if theirs["stop"]]
        self.received = signal.Signals(stops[0]) if stops else None
        failed = next((i for i, theirs in enumerate(messages) if theirs["code"]), None)
        if failed is not None:
            self._dispersed = True
            if failed != self._index:
                code, text = messages[failed]["code"], messages[failed]["error"]
                kinds = {kind.exit_code: kind for kind in AsrnnError.__subclasses__()}
                said = text if text == mine["error"] else f"process {failed}: {text}"
                raise kinds[code](said) from None
        return messages


class SharedCheckpoints:
    """What `Checkpoints` does, for all processes at once; they all have to call it.

    So only the first need see the folder, and what one restored is what all restored.

    Args:
      own: the checkpoints, used by the first process.
      group: the processes.
    """

    def __init__(self, own: Checkpoints, group: ProcessGroup):
        self._own = own
        self._group = group

    def steps(self) -> list[int]:
        """The steps that can be loaded; the other processes know of none."""
        return self._own.steps() if self._group.first else []

    def save(self, step: int, tree: Any, info: dict[str, Any], *, best: int | None) -> None:
        """Writes a checkpoint; see `Checkpoints.save`. The others go on meanwhile."""
        if self._group.first:
            self._own.save(step, tree, info, best=best)

    def latest(self, template: Any) -> Checkpoint | None:
        """Restores the newest undamaged one; see `Checkpoints.latest`."""
        found = self._own.latest(template) if self._group.first else None
        return self._share(found, template)

    def best(self, step: int, template: Any) -> Checkpoint | None:
        """Restores that of the best step; see `Checkpoints.best`."""
        found = self._own.best(step, template) if self._group.first else None
        return self._share(found, template)

    def _share(self, found: Checkpoint | None, template: Any) -> Checkpoint | None:
        known = self._group.share(found and [found.step, found.info])
        if known is None:
            return None
        step, info = known
        tree = self._group.share_arrays(found.tree if found else template)
        return Checkpoint(step, tree, info)


def check_agreement(group: ProcessGroup, experiment: Experiment, data: DataSet) -> None:
    """Compares config, backend and precision chosen, and data with those of the first process.

    Raises:
      ConfigError: if config, backend or precision differ.
      DataError: if the data differ.
    """
    if group.alone:
        return
    here = {
        name: value
        for name, value in flatten(experiment.config.to_dict()).items()
        if name not in MAY_DIFFER
    } | {
        f"recurrence.{name}": experiment.model.recurrence[name] for name in ("backend", "precision")
    }
    first, checksums = group.share([here, _checksums(data)])
    differing = [
        f"{name}: {value}, there {first[name]}"
        for name, value in here.items()
        if first[name] != value
    ]
    if differing:
        raise ConfigError(
            f"config differs from that of process 0 ({', '.join(differing)});"
            " start all processes with the same flags"
        )
    if checksums != _checksums(data):
        raise DataError(
            f"the data from {data.origin} differ from those of process 0; give all processes"
            " the same files"
        )


def _checksums(data: DataSet) -> list[int]:
    return [
        zlib.crc32(np.ascontiguousarray(array).tobytes())
        for part in (data.train, data.test, data.validation or {})
        for _, array in sorted(part.items())
    ]


def _lost_connection(error: BaseException) -> bool:
    """Gloo, which carries what CPUs exchange, notices at once that a process has ended."""
    return isinstance(error, (ValueError, RuntimeError)) and "gloo" in str(error).lower()


def _gather(message: Message) -> list[Message]:
    from jax.experimental import multihost_utils

    frames = multihost_utils.process_allgather(_encode(message))
    return [json.loads(frame.tobytes()) for frame in frames]


def _encode(message: Message) -> np.ndarray:
    """JSON filled up with blanks, since all processes have to send as many bytes."""
    return np.frombuffer(json.dumps(message).encode().ljust(MESSAGE_BYTES), np.uint8)


def _broadcast(data: np.ndarray) -> np.ndarray:
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(data))
