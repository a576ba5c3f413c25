"""The original files of MNIST and CIFAR-10: names, addresses, sizes and sha256.

Sizes and sha256 of the files to download are those that tensorflow-datasets registers (its
`url_checksums/{mnist,cifar10}.txt`); a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

_MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"


@dataclass(frozen=True)
class RegisteredFile:
    """One file as its authors published it."""

    name: str
    url: str
    size: int  # bytes
    sha256: str
    unpacked_sha256: str | None = None  # of the content without gzip, where that is known


REGISTERED: dict[str, tuple[RegisteredFile, ...]] = {
    "mnist": tuple(
        RegisteredFile(name, _MNIST_URL + name, size, sha256, unpacked)
        for name, size, sha256, unpacked in (
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
        )
    ),
    "cifar10": (
        RegisteredFile(
            "cifar-10-binary.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
}
