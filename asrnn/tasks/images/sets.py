"""The image sets: which there are, where their files come from, and the arrays they become.

Sizes and sha256 of the files to download are those that tensorflow-datasets registers (its
`url_checksums/{mnist,fashion_mnist,cifar10}.txt`); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """The training or the test part: `labels[i]` belongs to `images[i]`.

    The arrays may be read-only views of a file's bytes: copy before writing into them.
    """

    images: np.ndarray  # uint8 [N, H, W, Ch]
    labels: np.ndarray  # int32 [N]


class ImageSet(NamedTuple):
    """Both parts of an image set and one line that says where they came from."""

    train: Split
    test: Split
    origin: str


class Located(NamedTuple):
    """Image data that were found and identified, but not decoded yet."""

    origin: str
    # Names what `decode` will read; None where a cache would be no faster than decoding again.
    fingerprint: str | None
    decode: Callable[[], tuple[Split, Split]]


@dataclass(frozen=True)
class OriginalFile:
    """One file as its authors published it."""

    name: str
    url: str
    size: int  # bytes
    sha256: str
    unpacked_sha256: str | None = None  # of the content without gzip, where that is known


@dataclass(frozen=True)
class Facts:
    """What distinguishes one image set from another.

    Attributes:
      shape: H, W, Ch of an image.
      mean: of x / 255 over the training images, for each channel.
      std: likewise.
      files: the originals to download, in the order of the readers; none if it is bundled.
      format: how the originals are written, "idx" or "cifar"; "" if it is bundled.
      tfds: the folder of tensorflow-datasets below its data_dir: name and version.
      builder: the class of tensorflow-datasets in `tfds.image_classification`.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: tuple[OriginalFile, ...] = ()
    format: str = ""
    tfds: str = ""
    builder: str = ""


def _idx_files(url: str, *files: tuple[str, int, str, str | None]) -> tuple[OriginalFile, ...]:
    return tuple(
        OriginalFile(name, url + name, size, sha256, unpacked)
        for name, size, sha256, unpacked in files
    )


IMAGE_SETS: dict[str, Facts] = {
    "digits": Facts((8, 8, 1), (0.3052,), (0.3760,)),
    "mnist": Facts(
        (28, 28, 1),
        (0.1307,),
        (0.3081,),
        _idx_files(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            (
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        "idx",
        "mnist/3.0.1",
        "MNIST",
    ),
    "fashion_mnist": Facts(
        (28, 28, 1),
        (0.2860,),
        (0.3530,),
        _idx_files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                None,
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                None,
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                None,
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                None,
            ),
        ),
        "idx",
        "fashion_mnist/3.0.1",
        "FashionMNIST",
    ),
    "cifar10": Facts(
        (32, 32, 3),
        (0.4914, 0.4822, 0.4465),
        (0.2470, 0.2435, 0.2616),
        (
            OriginalFile(
                "cifar-10-binary.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                170052171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        "cifar",
        "cifar10/3.0.2",
        "Cifar10",
    ),
}
