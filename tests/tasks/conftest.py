"""No test here reaches the network or the user's own cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.tasks import prepare_task
from tests.tasks.images.fakes import register, write_cifar10, write_mnist


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(folder))
    # A local address must be reached directly, and any other must fail at once.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return folder


@pytest.fixture(scope="session")
def prepared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_dir in which the fake MNIST and CIFAR-10 are prepared; not to be written into."""
    root = tmp_path_factory.mktemp("prepared")
    raw = tmp_path_factory.mktemp("raw")
    write_mnist(raw)
    write_cifar10(raw)
    with pytest.MonkeyPatch.context() as patch:
        for image_set in ("mnist", "cifar10"):
            register(patch, image_set, raw, "https://example.org/")
            prepare_task(image_set, str(root), str(raw), report=lambda line: None)
    return root
