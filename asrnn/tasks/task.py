"""What a task is: its sizes, its options, and how its examples become sequences."""

from collections.abc import Callable
from dataclasses import dataclass, field

from asrnn.options import Option
from asrnn.typing import Array

Notes = dict[str, str | int]

Sequence = Callable[[Array, Array], Array]
"""(images uint8 [B, H, W, Ch], typed PRNG keys [B]) -> float32 [T, B, m]; pure and jittable."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt: a set of images and the way each image becomes a sequence.

    Attributes:
      name: its name in `TASKS`.
      image_set: a name of `IMAGE_SETS`.
      length: T.
      input_size: m.
      output_size: C, the number of classes.
      notes: what else names the task exactly, for the summary of a run.
      sequence: makes sequences of images; nothing but fresh noise uses the keys.
    """

    name: str
    image_set: str
    length: int
    input_size: int
    output_size: int
    notes: Notes
    sequence: Sequence


@dataclass(frozen=True)
class TaskEntry:
    """A row of `TASKS`.

    Attributes:
      build: `(name, noise_seed, **values) -> Task`; the seed is that of the run, for noise that
        is part of the task, and the values are those of all `options`.
      sources: where its data can come from.
      options: what it reads of the section `task` of a config.
    """

    build: Callable[..., Task] = field(hash=False)
    sources: tuple[str, ...]
    options: tuple[Option, ...]
