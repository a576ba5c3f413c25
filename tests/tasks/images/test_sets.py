"""The registered files are those of tensorflow-datasets, so both accept the same downloads."""

from __future__ import annotations

import pytest

from asrnn.tasks.images.sets import IMAGE_SETS


@pytest.mark.parametrize("image_set", ["mnist", "fashion_mnist", "cifar10"])
def test_the_table_agrees_with_tensorflow_datasets(image_set: str) -> None:
    from tensorflow_datasets.core.download import checksums

    theirs = checksums.get_all_url_infos()
    for file in IMAGE_SETS[image_set].files:
        info = theirs[file.url]
        assert (info.filename, info.size, info.checksum) == (file.name, file.size, file.sha256)
