"""The table of the tasks, and how a task is made from its name."""

from __future__ import annotations

from typing import Any

from asrnn.errors import check_choice
from asrnn.options import check_value, values_of
from asrnn.tasks.generated.adding import ADDING
from asrnn.tasks.generated.copying import COPYING
from asrnn.tasks.images.tasks import IMAGE_TASKS
from asrnn.tasks.npz import NPZ
from asrnn.tasks.task import Settings, Task, TaskKind

TASKS: dict[str, TaskKind] = {
    **IMAGE_TASKS,
    "adding": ADDING,
    "copying": COPYING,
    "npz": NPZ,
}


def make_task(
    name: str, *, seed: int = 0, source: str | None = None, data_dir: str = "", **section: Any
) -> Task:
    """Builds the task called `name`; arguments beside its name are fields of the config.

    Args:
      name: one of `TASKS`.
      seed: of the run.
      source: where the data come from; by default the first of the task's sources.
      data_dir: the folder, or the file, of the data.
      **section: the other fields of the section `task`: those that the task does not read are
        ignored, and its options have their defaults where they are missing.

    Raises:
      ConfigError: for an unknown name or source, or an option that cannot be used.
      DataError: if the data decide the shapes, as those of npz do, and they are not readable.
    """
    check_choice("task.name", name, TASKS)
    kind = TASKS[name]
    source = kind.sources[0] if source is None else source
    check_choice(f"task.source for {name}", source, kind.sources)
    options = values_of(kind, section)
    for option in kind.options:
        check_value(f"task.{option.name}", option, options[option.name])
    return kind.make(Settings(options, source, data_dir, seed))
