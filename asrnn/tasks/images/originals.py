"""The original files in a folder of the user: found, identified by their sha256, decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from asrnn.errors import ConfigError, DataError
from asrnn.tasks.images import cifar_binary, idx
from asrnn.tasks.images.raw_files import RawFile, gunzip, read_raw
from asrnn.tasks.images.sets import IMAGE_SETS, Facts, Located, Split
from asrnn.tasks.paths import user_path

# gzip makes what it cannot compress a little larger.
_GZIP_OVERHEAD = 1 << 16


def _folder(data_dir: str, contents: str) -> Path:
    if not data_dir:
        raise ConfigError(f"task.source=files needs task.data_dir, the folder with {contents}")
    return user_path(data_dir, "task.data_dir")


def _warn(different: list[RawFile], report: Callable[[str], None]) -> None:
    if different:
        names = ", ".join(f"{file.path.name} (sha256 {file.sha256[:12]}...)" for file in different)
        report(
            f"warning: not the registered original: {names}; only its structure is checked, and "
            "results on re-packed or other data are not comparable image by image"
        )


def decode_idx(files: Sequence[RawFile]) -> tuple[Split, Split]:
    """Decodes the four files, in the order of `IMAGE_SETS`; those called .gz are packed.

    Returns:
      (train, test) with images uint8 [N, 28, 28, 1] and labels int32 [N], in file order.

    Raises:
      DataError: a file is damaged.
    """
    names = [str(file.path) for file in files]
    plain = [
        gunzip(file, idx.size_limit(file.path.name)) if file.path.suffix == ".gz" else file.content
        for file in files
    ]
    train = idx.decode(plain[0], plain[1], names[0], names[1])
    return train, idx.decode(plain[2], plain[3], names[2], names[3])


def _decode_records(contents: dict[str, bytes], where: str) -> tuple[Split, Split]:
    cifar_binary.check(contents, where)
    train = cifar_binary.decode(contents, cifar_binary.TRAIN_FILES)
    return train, cifar_binary.decode(contents, cifar_binary.TEST_FILES)


def decode_cifar10(archive: RawFile) -> tuple[Split, Split]:
    """Decodes the packed archive.

    Returns:
      (train, test) with images uint8 [N, 32, 32, 3] and labels int32 [N], in file order.

    Raises:
      DataError: the archive or a file in it is damaged.
    """
    where = str(archive.path)
    plain = gunzip(archive, cifar_binary.ARCHIVE_LIMIT)
    return _decode_records(cifar_binary.members(plain, where), where)


def read_originals(image_set: str, paths: Sequence[Path]) -> tuple[Split, Split]:
    """Decodes the files to download of an image set, in the order of `IMAGE_SETS`.

    Raises:
      DataError: a file cannot be read or is damaged.
    """
    if IMAGE_SETS[image_set].format == "cifar":
        return decode_cifar10(read_raw(paths[0], cifar_binary.ARCHIVE_LIMIT + _GZIP_OVERHEAD))
    return decode_idx([_read_idx(path) for path in paths])


def _read_idx(path: Path) -> RawFile:
    return read_raw(path, idx.size_limit(path.name) + _GZIP_OVERHEAD)


def _find_idx(facts: Facts, folder: Path) -> list[Path]:
    """Returns the four files in the order of `IMAGE_SETS`, each packed or else unpacked.

    Some tools unpack `train-images-idx3-ubyte` as `train-images.idx3-ubyte`, and torchvision puts
    the files into the folder MNIST/raw or FashionMNIST/raw of its root.
    """
    folders = (folder, folder / "raw", folder / facts.builder / "raw")
    found = []
    for file in facts.files:
        dotted = file.name.replace("-idx", ".idx")
        plain = [name.removesuffix(".gz") for name in (file.name, dotted)]
        names = (file.name, plain[0], dotted, plain[1])
        candidates = (place / name for place in folders for name in names)
        present = next((path for path in candidates if path.is_file()), None)
        if present is None:
            raise DataError(
                f"{file.name} not found in {folder}; the four original {facts.builder} files are "
                f"expected there, .gz or unpacked: get it from {file.url} (sha256 {file.sha256})"
            )
        found.append(present)
    return found


def locate_idx(image_set: str, data_dir: str, report: Callable[[str], None]) -> Located:
    """Finds the four original files of MNIST or Fashion-MNIST, which have the same names.

    They are `*-ubyte.gz`, or unpacked `*-ubyte`, in `data_dir`, or where torchvision puts them.

    Raises:
      ConfigError: `data_dir` is empty.
      DataError: a file is missing or cannot be read; from `decode`: a file is damaged.
    """
    facts = IMAGE_SETS[image_set]
    folder = _folder(data_dir, f"the four original {facts.builder} files")
    files = [_read_idx(path) for path in _find_idx(facts, folder)]
    different = [
        file
        for file, original in zip(files, facts.files, strict=True)
        if file.sha256 not in (original.sha256, original.unpacked_sha256)
    ]
    _warn(different, report)
    return Located(f"original {facts.builder} files in {folder}", None, lambda: decode_idx(files))


def _locate_cifar10_archive(path: Path, report: Callable[[str], None]) -> Located:
    archive = read_raw(path, cifar_binary.ARCHIVE_LIMIT + _GZIP_OVERHEAD)
    if archive.sha256 != IMAGE_SETS["cifar10"].files[0].sha256:
        _warn([archive], report)
    return Located(
        f"CIFAR-10 binary archive {path}", archive.sha256, lambda: decode_cifar10(archive)
    )


def _locate_cifar10_records(folder: Path, report: Callable[[str], None]) -> Located:
    names = cifar_binary.TRAIN_FILES + cifar_binary.TEST_FILES
    for name in names:
        if not (folder / name).exists():
            raise DataError(
                f"{name} not found in {folder}, where other CIFAR-10 record files are; put the "
                f"original file there: {', '.join(names)} are expected"
            )
    files = [read_raw(folder / name, cifar_binary.FILE_LIMIT) for name in names]
    report(
        f"note: the unpacked CIFAR-10 files in {folder} have no registered sha256; their "
        "structure is checked"
    )
    contents = {file.path.name: file.content for file in files}
    return Located(
        f"CIFAR-10 record files in {folder}", None, lambda: _decode_records(contents, str(folder))
    )


def locate_cifar10(data_dir: str, report: Callable[[str], None]) -> Located:
    """Finds the binary CIFAR-10 data in `data_dir`: the archive, its folder, or the .bin files.

    Raises:
      ConfigError: `data_dir` is empty.
      DataError: no data, or they cannot be read; from `decode`: they are damaged.
    """
    original = IMAGE_SETS["cifar10"].files[0]
    folder = _folder(data_dir, f"{original.name} or its record files")
    if (folder / original.name).exists():
        return _locate_cifar10_archive(folder / original.name, report)
    for records in (folder / cifar_binary.FOLDER, folder):
        if any((records / name).exists() for name in cifar_binary.TRAIN_FILES):
            return _locate_cifar10_records(records, report)
    raise DataError(
        f"{original.name} not found in {folder}, nor a folder {cifar_binary.FOLDER}, nor "
        f"{cifar_binary.TRAIN_FILES[0]}; get the archive from {original.url} (sha256 "
        f"{original.sha256})"
    )
