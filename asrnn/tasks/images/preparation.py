"""From original files to what tfds reads: without TensorFlow, by one process at a time."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from asrnn.errors import ConfigError, DataError, check_choice
from asrnn.tasks.images import downloads, prepared
from asrnn.tasks.images.sets import IMAGE_SETS
from asrnn.tasks.paths import user_path
from asrnn.tasks.table import TASKS

_say = partial(print, flush=True)  # in order with what errors say, where both go into a file


@contextlib.contextmanager
def _lock(path: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Holds `path` locked; the system releases it however the process ends.

    The file stays: to remove it would let two processes lock two files of the same name.
    """
    import fcntl  # Not on Windows, where `import asrnn.tasks` has to work all the same.

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the banners, progress bars and information lines of tfds."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _build(image_set: str, data_dir: Path, raw_dir: Path) -> None:
    import tensorflow_datasets as tfds

    from asrnn.tasks.images.tfds_builder import make_builder

    config = tfds.download.DownloadConfig(
        manual_dir=str(raw_dir), try_download_gcs=False, force_checksums_validation=True
    )
    make_builder(image_set, data_dir).download_and_prepare(
        download_dir=str(data_dir / "downloads"), download_config=config
    )


def _prepare_alone(
    image_set: str, root: Path, raw_dir: str | None, report: Callable[[str], None]
) -> None:
    folder = root / IMAGE_SETS[image_set].tfds
    root.mkdir(parents=True, exist_ok=True)
    with _lock(root / f".asrnn-{image_set}.lock", report):
        if prepared.is_prepared(image_set, root):
            report(f"{image_set} was prepared by another process in {folder}")
            return
        if folder.exists():  # tfds would take it for a finished dataset and do nothing.
            raise DataError(f"{folder} is an incomplete dataset; remove that folder and run again")
        if raw_dir is None:
            raw = root / "downloads" / image_set
            downloads.fetch(image_set, raw, report)
        else:
            raw = user_path(raw_dir, "raw_dir")
            downloads.check_folder(image_set, raw)
        report(f"preparing {image_set} in {folder}")
        with _quiet():
            _build(image_set, root, raw)
        report(f"prepared {image_set} in {folder}")


def prepare_task(
    task_name: str,
    data_dir: str,
    raw_dir: str | None,
    *,
    report: Callable[[str], None] = _say,
) -> str:
    """Prepares the images of a task for `task.source=tfds`.

    Takes the original files from `raw_dir`, or downloads them to `data_dir/downloads`; verifies
    size and sha256; writes array_record files that plain `tfds.data_source` reads too. Does
    nothing if that is done already. Of two processes at once, one prepares and the other waits.

    Args:
      task_name: a task that has the source tfds.
      data_dir: as for tfds; empty for $TFDS_DATA_DIR or ~/tensorflow_datasets.
      raw_dir: a folder with the original files, or None to download them.

    Returns:
      The prepared folder.

    Raises:
      ConfigError: unknown task, or one that has nothing to prepare.
      DataError: an original file is missing, changed or cannot be downloaded, or the prepared
        data cannot be written.
    """
    check_choice("the task to prepare", task_name, TASKS)
    kind = TASKS[task_name]
    if "tfds" not in kind.sources:
        raise ConfigError(
            f"task {task_name} has nothing to prepare: its data are {' or '.join(kind.sources)}"
        )
    image_set = kind.image_set
    root = prepared.resolve_data_dir(data_dir)
    folder = root / IMAGE_SETS[image_set].tfds
    # Without the lock, so that a read-only folder will do.
    if prepared.is_prepared(image_set, root):
        report(f"{image_set} is already prepared in {folder}")
        return str(folder)
    try:
        _prepare_alone(image_set, root, raw_dir, report)
    except OSError as error:
        raise DataError(
            f"cannot prepare {image_set} in {root}: {prepared.kind_and_text(error)}; check the "
            "disk and the permissions of that folder"
        ) from error
    return str(folder)
