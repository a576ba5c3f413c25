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

from asrnn.progress import Progress
from asrnn.tasks.images import cifar_binary
from asrnn.tasks.images.originals import read_originals
from asrnn.tasks.images.sets import IMAGE_SETS, Split

Example = tuple[int, dict[str, Any]]
"""A key and the features."""


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    pixels = image[..., 0] if image.shape[-1] == 1 else image
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _mnist_examples(split: Split) -> Iterator[Example]:
    for key, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
        yield key, {"image": _png(image), "label": int(label)}


def _cifar10_examples(split: Split, name: str) -> Iterator[Example]:
    for key, example in _mnist_examples(split):
        yield key, {"id": f"{name}_{key:05d}", **example}


def _counted(examples: Iterator[Example], number: int, name: str) -> Iterator[Example]:
    """Shows how many of the examples tfds has taken."""
    with Progress(f"{name} images converted", number) as progress:
        for example in examples:
            yield example
            progress.advance(1)


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
        parts = {"train": train, "test": test}
        if facts.format == "idx":
            examples = {name: _mnist_examples(part) for name, part in parts.items()}
        else:
            self.info.features["label"].names = list(cifar_binary.LABEL_NAMES)
            examples = {name: _cifar10_examples(part, name) for name, part in parts.items()}
        return {name: _counted(it, len(parts[name].labels), name) for name, it in examples.items()}

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
