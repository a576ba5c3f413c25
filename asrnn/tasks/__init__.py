"""What is learnt: image sets, the sequences made of them, and the batches of a step."""

from asrnn.tasks.batches import batch_indices, evaluation_batches, split_validation
from asrnn.tasks.images import ImageSet, Split
from asrnn.tasks.preparation import prepare_task
from asrnn.tasks.sources import load_image_set
from asrnn.tasks.task import SOURCES_OF, TASKS, Task, make_task

__all__ = [
    "SOURCES_OF",
    "TASKS",
    "ImageSet",
    "Split",
    "Task",
    "batch_indices",
    "evaluation_batches",
    "load_image_set",
    "make_task",
    "prepare_task",
    "split_validation",
]
