"""What the user has compiled is not touched."""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def kernel_cache() -> Iterator[str]:
    """A cache folder for this session, unless the environment names one."""
    if named := os.environ.get("ASRNN_CACHE_DIR"):
        yield named
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASRNN_CACHE_DIR", folder)
        yield folder
