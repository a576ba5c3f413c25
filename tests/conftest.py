"""What holds for all tests: no silent broadcasting, full precision, one key."""

from collections.abc import Iterator

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20190501)


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision, for what follows from the theory."""
    with jax.enable_x64(True):
        yield
