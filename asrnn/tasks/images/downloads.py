"""Getting the registered original files: from the network, or from a folder of the user."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from asrnn.errors import DataError
from asrnn.files import replacing
from asrnn.progress import Progress
from asrnn.tasks.images.sets import IMAGE_SETS, OriginalFile

_CHUNK = 1 << 20
_MEGABYTE = 1e6
_TIMEOUT = 30.0  # seconds without a byte


def _is_registered(path: Path, file: OriginalFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def check_folder(image_set: str, folder: Path) -> None:
    """Checks that all original files of `image_set` are in `folder`, whole and unchanged.

    Raises:
      DataError: naming the first file that is missing or not the registered one.
    """
    for file in IMAGE_SETS[image_set].files:
        path = folder / file.name
        if not path.is_file():
            raise DataError(
                f"{file.name} not found in {folder}; download it from {file.url} (sha256 "
                f"{file.sha256}) and put it there"
            )
        try:
            matches = _is_registered(path, file)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}; check the file") from error
        if not matches:
            raise DataError(
                f"{path} is not the registered file: {file.size} bytes with sha256 {file.sha256} "
                f"expected, found {path.stat().st_size} bytes and another sha256; download it from "
                f"{file.url}, or read it as it is with task.source=files"
            )


def _copy(
    response: IO[bytes], target: IO[bytes], limit: int, advance: Callable[[float], None]
) -> None:
    """Copies up to `limit` bytes, whatever the server sends; tells of each megabyte."""
    left = limit
    while left and (block := response.read(min(_CHUNK, left))):
        target.write(block)
        left -= len(block)
        advance(len(block) / _MEGABYTE)


def _download(file: OriginalFile, path: Path) -> None:
    with replacing(path) as temporary:
        with (
            temporary.open("wb") as target,
            urllib.request.urlopen(file.url, timeout=_TIMEOUT) as response,
            Progress(f"MB of {file.name}", file.size / _MEGABYTE) as progress,
        ):
            _copy(response, target, file.size + 1, progress.advance)
        if not _is_registered(temporary, file):
            raise DataError(
                f"{file.url} did not send the registered file: {file.size} bytes with sha256 "
                f"{file.sha256} expected, found {temporary.stat().st_size} bytes or another "
                "sha256; try again, or give a folder with the original by --raw_dir"
            )


def fetch(image_set: str, folder: Path, report: Callable[[str], None]) -> None:
    """Downloads into `folder` what is not there yet of the original files of `image_set`.

    Raises:
      DataError: no network, a server that fails, or content that is not the registered one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in IMAGE_SETS[image_set].files:
        path = folder / file.name
        if _is_registered(path, file):
            continue
        report(f"downloading {file.url} ({file.size / _MEGABYTE:.1f} MB)")
        try:
            _download(file, path)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(
                f"cannot download {file.name} from {file.url} ({error}); with no network here, "
                f"get it elsewhere (sha256 {file.sha256}) and give its folder by --raw_dir"
            ) from error
