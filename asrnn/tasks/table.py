"""Which tasks there are, by the name that a config gives."""

from typing import Any

from asrnn.errors import ConfigError, check_choice, near_miss
from asrnn.options import check_value, union, values_of
from asrnn.tasks.images.tasks import noise_padded_rows, permuted_pixels, pixel_by_pixel
from asrnn.tasks.task import Task, TaskEntry

TASKS: dict[str, TaskEntry] = {
    "digits": pixel_by_pixel("digits"),
    "mnist": pixel_by_pixel("mnist"),
    "pmnist": permuted_pixels("mnist"),
    "fashion_mnist": pixel_by_pixel("fashion_mnist"),
    "cifar10": pixel_by_pixel("cifar10"),
    "permuted_cifar10": permuted_pixels("cifar10"),
    "noise_padded_cifar10": noise_padded_rows("cifar10"),
}


def make_task(name: str, *, noise_seed: int = 0, **values: Any) -> Task:
    """Builds a task.

    Args:
      name: one of `TASKS`.
      noise_seed: the seed of noise that is part of the task.
      **values: of options; what this task does not read is checked and has no effect.

    Raises:
      ConfigError: unknown name or option, or a value that cannot be used.
    """
    check_choice("config.task.name", name, TASKS)
    known = union(TASKS.values())
    for option, value in values.items():
        if option not in known:
            raise ConfigError(f"no task has an option {option!r}{near_miss(option, known)}")
        check_value(f"task.{option}", known[option], value)
    return TASKS[name].build(name, noise_seed, **values_of(TASKS[name], values))
