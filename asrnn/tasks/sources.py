"""One door to the images, whatever their source: bundled, original files, or tfds."""

from __future__ import annotations

from collections.abc import Callable

from asrnn.errors import ConfigError
from asrnn.tasks import cache
from asrnn.tasks.digits import locate_digits
from asrnn.tasks.images import ImageSet, Located, Split
from asrnn.tasks.originals import locate_cifar10, locate_mnist
from asrnn.tasks.prepared import locate_prepared
from asrnn.tasks.task import SOURCES_OF

__all__ = ["ImageSet", "Split", "load_image_set"]


def _locate(image_set: str, source: str, data_dir: str, report: Callable[[str], None]) -> Located:
    if source == "bundled":
        return locate_digits()
    if source == "tfds":
        return locate_prepared(image_set, data_dir)
    return {"mnist": locate_mnist, "cifar10": locate_cifar10}[image_set](data_dir, report)


def load_image_set(
    image_set: str, source: str, data_dir: str, *, report: Callable[[str], None] = print
) -> ImageSet:
    """Loads an image set into memory, from the cache where that is faster.

    The sources `tfds` and `files` give the same arrays, in the order of the original files.

    Args:
      image_set: digits | mnist | cifar10.
      source: bundled (digits), files or tfds (mnist, cifar10).
      data_dir: the folder with the original files, or the data_dir of tfds (empty: its default).
      report: gets at most a few lines, each a warning or a note.

    Returns:
      images uint8 [N, H, W, Ch] and labels int32 [N] for each split, and their origin.

    Raises:
      ConfigError: no such image set, a source that it does not have, or no data_dir for `files`.
      DataError: the data are missing or damaged, or a library to read them is.
    """
    names = ("digits", "mnist", "cifar10")
    if image_set not in names:
        raise ConfigError(f"unknown image set {image_set!r}; there are {', '.join(names)}")
    if source not in SOURCES_OF[image_set]:
        raise ConfigError(
            f"task.source={source!r} cannot be used for {image_set}; use "
            f"{' or '.join(SOURCES_OF[image_set])}"
        )
    located = _locate(image_set, source, data_dir, report)
    train, test = cache.decoded(image_set, located, report)
    return ImageSet(train, test, located.origin)
