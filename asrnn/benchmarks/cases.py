"""What is measured: the shapes of the paper's tasks, and what is done with them."""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from asrnn.errors import check_choice


class Shape(NamedTuple):
    """The sizes of a recurrence, by the letters of `asrnn.typing`."""

    T: int
    B: int
    n: int
    m: int


class Images(NamedTuple):
    """The data of a task, of which only the sizes matter here."""

    task: str
    number: int
    shape: tuple[int, int, int]


class Case(NamedTuple):
    """A shape with a name, and the images that a train step of that shape reads, if any."""

    name: str
    shape: Shape
    images: Images | None = None


FORWARD = "forward"
FORWARD_BACKWARD = "forward+backward"
TRAIN_STEP = "train step"
EVALUATION = "evaluation"
WORKS = (FORWARD, FORWARD_BACKWARD, TRAIN_STEP, EVALUATION)
"""What a system can be asked to do with a batch."""

FLOOR = "gemm-floor"
"""The system that is a limit rather than a competitor."""

CELLS = ("antisymmetric", "gated_antisymmetric")

CASES = {
    case.name: case
    for case in (
        Case("A", Shape(784, 128, 128, 1), Images("mnist", 60_000, (28, 28, 1))),
        Case("B", Shape(1024, 128, 256, 3), Images("cifar10", 50_000, (32, 32, 3))),
        Case("N", Shape(1000, 128, 256, 96), Images("noise_padded_cifar10", 50_000, (32, 32, 3))),
    )
}

DIGITS = Images("digits", 1_442, (8, 8, 1))

POPULATION_CASES = {
    case.name: case
    for case in (
        Case("D32", Shape(64, 64, 32, 1), DIGITS),
        Case("D128", Shape(64, 64, 128, 1), DIGITS),
        CASES["A"],
        CASES["B"],
    )
}
"""The bundled digits with two hidden sizes, and the images of two tasks."""

POPULATION_DEFAULT = ("D32", "D128", "A")  # B needs a GPU, or patience

SCALING_BASE = CASES["A"].shape
SCALING = {
    "T": (98, 196, 392, 784, 1568),
    "B": (16, 32, 64, 128, 256, 512),
    "n": (32, 64, 128, 256, 512),
}
"""The sizes along which the cost is followed, one at a time, from case A."""


class Workload(NamedTuple):
    """One thing to do: a case, one of `CELLS`, one of `WORKS`."""

    case: Case
    cell: str
    work: str

    @property
    def operations(self) -> int:
        """Floating-point operations of its matrix products with A, a multiply-add being two.

        One product for each step of a sequence, and two more in its backward pass.
        """
        products = 3 if self.work in (FORWARD_BACKWARD, TRAIN_STEP) else 1
        size = self.case.shape
        return products * 2 * size.T * size.B * size.n**2


def scaling_cases() -> list[Case]:
    """The shapes of `SCALING`, each once."""
    shapes = dict.fromkeys(
        SCALING_BASE._replace(**{axis: size}) for axis, sizes in SCALING.items() for size in sizes
    )
    return [Case(" ".join(f"{k}{v}" for k, v in s._asdict().items()), s) for s in shapes]


def selected(what: str, given: Sequence[str], known: Collection[str]) -> list[str]:
    """The names that a flag lists, in the order of those known; all of them if it lists none.

    Raises:
      ConfigError: for an unknown name.
    """
    for name in given:
        check_choice(what, name, known)
    return [name for name in known if not given or name in given]


def cube_edge(operations: float) -> int:
    """The edge s of the square product with about that many operations, 2 s³."""
    return 16 * max(1, round(math.cbrt(operations / 2) / 16))
