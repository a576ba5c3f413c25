"""One entry point to the images, whatever their source: bundled, original files, or tfds."""

from __future__ import annotations

from collections.abc import Callable

from asrnn.errors import check_choice
from asrnn.tasks.images import cache
from asrnn.tasks.images.digits import locate_digits
from asrnn.tasks.images.originals import locate_cifar10, locate_idx
from asrnn.tasks.images.prepared import locate_prepared
from asrnn.tasks.images.sets import IMAGE_SETS, ImageSet, Located


def sources(image_set: str) -> tuple[str, ...]:
    """Where the images can come from."""
    return ("tfds", "files") if IMAGE_SETS[image_set].files else ("bundled",)


def _locate(image_set: str, source: str, data_dir: str, report: Callable[[str], None]) -> Located:
    if source == "bundled":
        return locate_digits()
    if source == "tfds":
        return locate_prepared(image_set, data_dir)
    if IMAGE_SETS[image_set].format == "cifar":
        return locate_cifar10(data_dir, report)
    return locate_idx(image_set, data_dir, report)


def load_image_set(
    image_set: str, source: str, data_dir: str, *, report: Callable[[str], None] = print
) -> ImageSet:
    """Loads an image set into memory, from the cache where that is faster.

    The sources `tfds` and `files` give the same arrays, in the order of the original files.

    Args:
      image_set: a name of `IMAGE_SETS`.
      source: one of `sources(image_set)`.
      data_dir: the folder with the original files, or the data_dir of tfds (empty: its default).
      report: gets at most a few lines, each a warning or a note.

    Returns:
      images uint8 [N, H, W, Ch] and labels int32 [N] for each split, and their origin.

    Raises:
      ConfigError: no such image set, a source that it does not have, or no data_dir for `files`.
      DataError: the data are missing or damaged, or a library to read them is.
    """
    check_choice("an image set", image_set, IMAGE_SETS)
    check_choice(f"task.source for {image_set}", source, sources(image_set))
    located = _locate(image_set, source, data_dir, report)
    train, test = cache.decoded(image_set, located, report)
    return ImageSet(train, test, located.origin)
