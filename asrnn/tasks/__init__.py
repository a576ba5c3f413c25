"""What is learnt: tasks, their data, the sequences made of them, and the batches of a step."""

from asrnn.tasks.batches import (
    batch_indices,
    evaluation_batches,
    generated_batches,
    split_validation,
)
from asrnn.tasks.images.preparation import prepare_task
from asrnn.tasks.table import TASKS, make_task
from asrnn.tasks.task import (
    Data,
    DataSet,
    Generated,
    Resident,
    Settings,
    Task,
    TaskKind,
    check_fits,
    time_major,
)

__all__ = [
    "TASKS",
    "Data",
    "DataSet",
    "Generated",
    "Resident",
    "Settings",
    "Task",
    "TaskKind",
    "batch_indices",
    "check_fits",
    "evaluation_batches",
    "generated_batches",
    "make_task",
    "prepare_task",
    "split_validation",
    "time_major",
]
