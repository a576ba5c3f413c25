"""The adding problem: remember two marked numbers of a long sequence and give their sum."""

from __future__ import annotations

from dataclasses import dataclass

from asrnn.errors import ConfigError
from asrnn.lazy import jax, jnp
from asrnn.options import COUNT, Option
from asrnn.tasks.task import TEST_SIZE, Data, Generated, Settings, Task, TaskKind
from asrnn.typing import Key

LENGTH = Option(
    "length", 200, "how long to remember: the steps of adding, the blanks of copying", COUNT
)


@dataclass(frozen=True)
class Adding:
    """One example of the adding problem of T = length steps.

    x_t = (u_t, m_t) with u_t uniform in [0, 1) and m_t = 1 at two steps i < T/2 <= j, uniform each
    in its half, else 0. The target is u_i + u_j. Always answering 1 gives the squared error 1/6.

    Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997), in the form of Le, Jaitly and
    Hinton, arXiv:1504.00941.
    """

    length: int

    def __call__(self, key: Key) -> Data:
        """Key -> inputs float32 [T, 2], targets float32 [1]."""
        values_key, first_key, second_key = jax.random.split(key, 3)
        values = jax.random.uniform(values_key, (self.length,))
        half = self.length // 2
        i = jax.random.randint(first_key, (), 0, half)
        j = jax.random.randint(second_key, (), half, self.length)
        steps = jnp.arange(self.length)
        marks = ((steps == i) | (steps == j)).astype(jnp.float32)
        return {
            "inputs": jnp.stack([values, marks], axis=1),
            "targets": (values[i] + values[j])[None],
        }


def _make(settings: Settings) -> Task:
    length = settings.options["length"]
    if length < 2:
        raise ConfigError(f"config.task.length must be at least 2 for adding, found {length}")
    source = Generated(Adding(length), settings.options["test_size"])
    return Task("adding", length, 2, 1, source, targets="real")


ADDING = TaskKind(_make, ("generated",), (LENGTH, TEST_SIZE))
