"""What is learnt: image sets, the sequences made of them, and the batches of a step."""

from asrnn.tasks.batches import batch_indices, evaluation_batches, split_validation
from asrnn.tasks.images.preparation import prepare_task
from asrnn.tasks.images.sets import ImageSet, Split
from asrnn.tasks.images.sources import load_image_set
from asrnn.tasks.table import TASKS, make_task
from asrnn.tasks.task import Task

__all__ = [
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
