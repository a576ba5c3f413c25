"""The datasets that tensorflow-datasets (tfds) keeps prepared in a folder, read without TensorFlow.

tfds stores examples in a shuffled order: ascending MD5 of split name and key, the key of the
stock MNIST and CIFAR-10 builders being the position in the original files. Being a function of
the key alone, it can be undone, so that `tfds` and `files` give the same arrays.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from asrnn.errors import DataError, one_line
from asrnn.tasks.images.sets import IMAGE_SETS, Located, Split
from asrnn.tasks.paths import user_path

_CLASSES = 10
# Written by tfds as the last file.
_INFO = "dataset_info.json"
# Bounds the memory for encoded images, while large enough that reading is as fast as it gets.
_CHUNK = 5000


def resolve_data_dir(data_dir: str) -> Path:
    """Returns `data_dir`, or where it is empty what tfds takes then."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return user_path(chosen, "data_dir")


def is_prepared(image_set: str, data_dir: Path) -> bool:
    """Says whether tfds has finished preparing `image_set` below `data_dir`, in any format."""
    return (data_dir / IMAGE_SETS[image_set].tfds / _INFO).is_file()


def kind_and_text(error: BaseException) -> str:
    """Returns the type and the text of an exception of a library as one line."""
    return f"{type(error).__name__}: {one_line(error)}"


def file_order(split: str, count: int) -> np.ndarray:
    """Returns int64 [count]: where the example number i of the original files is stored by tfds.

    Example i is stored by rank of MD5(split i), i in decimal. Source: tfds core/hashing.py and
    core/shuffle.py, whose order is part of the version of a dataset.
    """
    salt = hashlib.md5(split.encode(), usedforsecurity=False)

    def key(position: int) -> bytes:
        salted = salt.copy()
        salted.update(str(position).encode())
        return salted.digest()

    stored = sorted(range(count), key=key)
    order = np.empty(count, np.int64)
    order[stored] = np.arange(count)
    return order


def _read_split(builder: Any, split: str, shape: tuple[int, ...]) -> Split:
    import tensorflow_datasets as tfds
    from PIL import Image

    source = builder.as_data_source(
        split=split, decoders={"image": tfds.decode.SkipDecoding()}
    )  # SkipDecoding: the features decode each PNG three times slower than PIL does by itself.
    count = len(source)
    images = np.empty((count, *shape), np.uint8)
    labels = np.empty(count, np.int32)
    for start in range(0, count, _CHUNK):
        examples = source.__getitems__(list(range(start, min(start + _CHUNK, count))))
        for position, example in enumerate(examples, start):
            with Image.open(io.BytesIO(example["image"]), formats=("PNG",)) as image:
                images[position] = np.asarray(image, np.uint8).reshape(shape)
            labels[position] = example["label"]
    if count == 0 or labels.min() < 0 or labels.max() >= _CLASSES:
        raise ValueError(f"labels from 0 to {_CLASSES - 1} expected in split {split}")
    order = file_order(split, count)
    return Split(images[order], labels[order])


def _decode(image_set: str, folder: Path, advice: str) -> tuple[Split, Split]:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"task.source=tfds needs tensorflow-datasets ({kind_and_text(error)}); run: "
            "python -m pip install tensorflow-datasets array_record"
        ) from error
    shape = IMAGE_SETS[image_set].shape
    try:
        builder = tfds.builder_from_directory(folder)
        file_format = builder.info.file_format.value
        if file_format != "array_record":
            raise DataError(
                f"{folder} is prepared as {file_format}; array_record expected, which can be read "
                f"without TensorFlow: remove it, or choose another data_dir, and run: {advice}"
            )
        return _read_split(builder, "train", shape), _read_split(builder, "test", shape)
    except DataError:
        raise
    except Exception as error:  # tfds, array_record and PIL share no exception for damaged data.
        raise DataError(
            f"the {image_set} dataset in {folder} is damaged ({kind_and_text(error)}); remove that "
            f"folder and run: {advice}"
        ) from error


def _fingerprint(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def locate_prepared(image_set: str, data_dir: str) -> Located:
    """Finds what `prepare_task` or tfds itself prepared, without touching the network.

    `decode` returns the examples in the order of the original files, as `originals` does.

    Args:
      image_set: one of `IMAGE_SETS` that has a folder of tfds.
      data_dir: as for tfds; empty for $TFDS_DATA_DIR or ~/tensorflow_datasets.

    Raises:
      DataError: nothing is prepared; from `decode`: a damaged file, another file format, or a
        library that is not installed.
    """
    root = resolve_data_dir(data_dir)
    folder = root / IMAGE_SETS[image_set].tfds
    advice = f"asrnn prepare --task={image_set} --data_dir={shlex.quote(str(root))}"
    if not is_prepared(image_set, root):
        todo = f"run: {advice}"
        if any((root / file.name).exists() for file in IMAGE_SETS[image_set].files):
            todo = f"the original files are there, so read them with task.source=files, or {todo}"
        raise DataError(f"{image_set} is not prepared: no {folder / _INFO}; {todo}")
    return Located(
        f"tfds {IMAGE_SETS[image_set].tfds} in {root}, in the order of the original files",
        _fingerprint(folder),
        lambda: _decode(image_set, folder, advice),
    )
