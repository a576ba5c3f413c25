"""The checkpoints of a run of several processes: the first reads and writes, all have them."""

from typing import Any

from asrnn.runs.checkpoints import Checkpoint, Checkpoints
from asrnn.training.lockstep import Lockstep


class SharedCheckpoints:
    """What `Checkpoints` does, for all processes at once; they all have to call it.

    So only the first need see the folder, and what one restored is what all restored.

    Args:
      own: the checkpoints, used by the first process.
      together: the processes.
    """

    def __init__(self, own: Checkpoints, together: Lockstep):
        self._own = own
        self._together = together

    def steps(self) -> list[int]:
        """The steps that can be loaded; the other processes know of none."""
        return self._own.steps() if self._together.first else []

    def save(self, step: int, tree: Any, info: dict[str, Any], *, best: int | None) -> None:
        """Writes a checkpoint; see `Checkpoints.save`. The others go on meanwhile."""
        if self._together.first:
            self._own.save(step, tree, info, best=best)

    def latest(self, template: Any) -> Checkpoint | None:
        """Restores the newest undamaged one; see `Checkpoints.latest`."""
        found = self._own.latest(template) if self._together.first else None
        return self._share(found, template)

    def best(self, step: int, template: Any) -> Checkpoint | None:
        """Restores that of the best step; see `Checkpoints.best`."""
        found = self._own.best(step, template) if self._together.first else None
        return self._share(found, template)

    def _share(self, found: Checkpoint | None, template: Any) -> Checkpoint | None:
        known = self._together.share(found and [found.step, found.info])
        if known is None:
            return None
        step, info = known
        tree = self._together.share_arrays(found.tree if found else template)
        return Checkpoint(step, tree, info)
