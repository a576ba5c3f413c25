"""What a task is: inputs and targets, where they come from, and what must be stated of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from asrnn.errors import ConfigError
from asrnn.lazy import jax
from asrnn.objectives import OBJECTIVES, Objective
from asrnn.options import COUNT, Option
from asrnn.typing import Array, Key

Data = dict[str, Any]
"""Examples: "inputs" [N, ...], "targets" [N, ...], and "mask" bool where some do not count.

Targets are int32 classes [N], or at every step [N, T]; or float32 numbers [N], [N, k], or at every
step [N, T, k]. A mask is [N], or at every step [N, T]. One example has no axis N.
"""

Report = Callable[[str], None]
"""Gets at most a few lines, each a warning or a note."""

EVERY_STEP = "every_step"
"""The readout of a model that answers at every step."""

TEST_SIZE = Option(
    "test_size", 1_000, "examples of the test part, where the data have none of their own", COUNT
)


class DataSet(NamedTuple):
    """Examples as arrays, by parts."""

    train: Data
    test: Data
    origin: str
    """One line that says where they came from."""
    validation: Data | None = None
    """Where the data have a part of their own for it."""

    @property
    def parts(self) -> dict[str, Data]:
        """The parts by name, as they were read."""
        return {"train": self.train, "test": self.test, "validation": self.validation or {}}


@dataclass(frozen=True)
class Resident:
    """Examples that are arrays and stay on the device.

    Attributes:
      load: reads them.
      sequence: (inputs [B, ...], typed PRNG keys [B]) -> float32 [T, B, m]; pure and jittable. The
        keys are for noise; that of an example must depend on its own key only.
      has_validation: whether they have a validation part of their own.
      image_shape: (H, W, Ch) where the inputs are images of uint8; None where they are sequences.
      augment: (inputs [B, ...], typed PRNG keys [B]) -> inputs: changes those of training in ways
        that leave the targets right; None for as they are.
    """

    load: Callable[[Report], DataSet]
    sequence: Callable[[Array, Array], Array]
    has_validation: bool = False
    image_shape: tuple[int, int, int] | None = None
    augment: Callable[[Array, Array], Array] | None = None


@dataclass(frozen=True)
class Generated:
    """Examples that are functions of a key: the training part has no end, and none comes twice.

    Attributes:
      example: key -> inputs float32 [T, m], targets and mask of one example; pure and jittable.
      test_size: examples of the test part.
    """

    example: Callable[[Key], Data]
    test_size: int

    def load(self, report: Report) -> DataSet:
        """Empty parts, and the word for where they come from."""
        del report
        return DataSet({}, {}, "generated")


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt."""

    name: str
    length: int
    """T."""
    input_size: int
    """m."""
    output_size: int
    """C of classes, k of numbers."""
    source: Resident | Generated
    targets: Literal["class", "real"] = "class"
    every_step: bool = False
    """Whether there is a target at every step, or one a sequence."""
    notes: dict[str, str | int] = field(default_factory=dict)
    """What else names the task exactly, for the summary of a run."""


class Settings(NamedTuple):
    """What a user chose about a task."""

    options: Mapping[str, Any]
    """The value of each of its options."""
    source: str
    data_dir: str
    seed: int
    """That of the run."""


@dataclass(frozen=True)
class TaskKind:
    """A task before anything is chosen about it: a line of the table `TASKS`.

    Attributes:
      make: builds it; raises ConfigError for options that do not fit.
      sources: what `task.source` can be, the usual one first.
      options: what it reads of the section `task` of a config, beside the fields of all tasks.
      image_set: what `asrnn.prepare` prepares for it, if there is something to prepare.
    """

    make: Callable[[Settings], Task]
    sources: tuple[str, ...]
    options: tuple[Option, ...] = ()
    image_set: str = ""


def check_fits(task: Task, objective: Objective, readout: str) -> None:
    """Checks that an objective and a readout suit the targets of a task.

    Args:
      task: what is learnt.
      objective: what is minimised.
      readout: `model.readout`.

    Raises:
      ConfigError: in one line that says what to give.
    """
    if task.targets != objective.targets:
        words = {"class": "classes", "real": "real numbers"}
        fitting = [other.name for other in OBJECTIVES.values() if other.targets == task.targets]
        raise ConfigError(
            f"the targets of task {task.name} are {words[task.targets]}, and"
            f" objective.name={objective.name} is for {words[objective.targets]};"
            f" give --config.objective.name={' or '.join(fitting)}"
        )
    if task.every_step != (readout == EVERY_STEP):
        found, give = (
            ("a target at every step", EVERY_STEP)
            if task.every_step
            else ("one target a sequence", "last or mean")
        )
        raise ConfigError(
            f"task {task.name} has {found}, which does not suit model.readout={readout};"
            f" give --config.model.readout={give}"
        )


def time_major(inputs: Array, keys: Array) -> Array:
    """The `sequence` of inputs that are sequences already: [B, T, m] -> [T, B, m]."""
    del keys
    return jax.numpy.swapaxes(inputs, 0, 1)
