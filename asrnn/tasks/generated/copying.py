"""The copying problem: ten symbols, a long silence, then the same ten again."""

from __future__ import annotations

from dataclasses import dataclass

from asrnn.lazy import jax, jnp
from asrnn.tasks.generated.adding import LENGTH
from asrnn.tasks.task import TEST_SIZE, Data, Generated, Settings, Task, TaskKind
from asrnn.typing import Key

SYMBOLS = 8
BLANK = 8
DELIMITER = 9
COPIED = 10  # symbols of a sequence


@dataclass(frozen=True)
class Copying:
    """One example of the copying problem with L = length blanks before the recall, T = L + 20.

    The input is ten symbols, each uniform among eight; L - 1 blanks; one delimiter; ten blanks;
    one-hot among 10. The target is L + 10 blanks, then the ten symbols; one of 9 classes a step.
    Remembering nothing gives the cross-entropy 10 ln 8 / (L + 20).

    Source: Arjovsky, Shah and Bengio, arXiv:1511.06464, section 5.1.
    """

    length: int

    def __call__(self, key: Key) -> Data:
        """Key -> inputs float32 [T, 10], targets int32 [T]."""
        symbols = jax.random.randint(key, (COPIED,), 0, SYMBOLS)
        blank = jnp.full((self.length + COPIED,), BLANK)
        shown = jnp.concatenate([symbols, blank]).at[COPIED + self.length - 1].set(DELIMITER)
        return {
            "inputs": jax.nn.one_hot(shown, SYMBOLS + 2),
            "targets": jnp.concatenate([blank, symbols]).astype(jnp.int32),
        }


def _make(settings: Settings) -> Task:
    length = settings.options["length"]
    source = Generated(Copying(length), settings.options["test_size"])
    return Task("copying", length + 2 * COPIED, SYMBOLS + 2, SYMBOLS + 1, source, every_step=True)


COPYING = TaskKind(_make, ("generated",), (LENGTH, TEST_SIZE))
