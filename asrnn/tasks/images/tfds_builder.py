"""The stock builders of the image sets of tfds, changed to work without TensorFlow.

The stock ones unpack and read files through TensorFlow, and encode pixels with it (issue
tensorflow/datasets#11058). These read the files with `originals` and pass PNG bytes on, which tfds
stores as they are. Name, version, features, keys and so the order stay the stock ones.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from asrnn.tasks.images import cifar_binary
from asrnn.tasks.images.originals import read_originals
from asrnn.tasks.images.sets import IMAGE_SETS, Split


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    pixels = image[..., 0] if image.shape[-1] == 1 else image
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _mnist_examples(split: Split) -> Iterator[tuple[int, dict[str, Any]]]:
    for key, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
        yield key, {"image": _png(image), "label": int(label)}


def _cifar10_examples(split: Split, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for key, example in _mnist_examples(split):
        yield key, {"id": f"{name}_{key:05d}", **example}


def make_builder(image_set: str, data_dir: Path) -> Any:
    """Returns a `tfds.core.DatasetBuilder` that prepares `image_set` as array_record.

    Its class is not registered, so `tfds.builder` goes on finding the stock one. Sizes and sha256
    of what it reads are held against `IMAGE_SETS` by tfds.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered
    from tensorflow_datasets.core.download import checksums
    from tensorflow_datasets.core.units import Size

    facts = IMAGE_SETS[image_set]

    def split_generators(self: Any, downloads: Any) -> dict[str, Iterator[Any]]:
        paths = downloads.download([file.url for file in facts.files])
        train, test = read_originals(image_set, [Path(path) for path in paths])
        if facts.format == "idx":
            return {"train": _mnist_examples(train), "test": _mnist_examples(test)}
        self.info.features["label"].names = list(cifar_binary.LABEL_NAMES)
        return {"train": _cifar10_examples(train, "train"), "test": _cifar10_examples(test, "test")}

    stock = getattr(tfds.image_classification, facts.builder)
    members = {
        "name": image_set,
        "url_infos": {
            file.url: checksums.UrlInfo(Size(file.size), file.sha256, file.name)
            for file in facts.files
        },
        "_split_generators": split_generators,
    }
    with registered.skip_registration():
        offline: Any = type(f"Offline{stock.__name__}", (stock,), members)
    return offline(data_dir=str(data_dir), file_format="array_record")
