"""What all processes of a run must have in common, for they all compute the same program."""

import zlib

from asrnn.config import flatten
from asrnn.errors import ConfigError, DataError
from asrnn.tasks import ImageSet
from asrnn.training.experiment import Experiment
from asrnn.training.lockstep import Lockstep

MAY_DIFFER = ("task.data_dir",)


def check_alike(together: Lockstep, experiment: Experiment, images: ImageSet) -> None:
    """Compares the config, the backend chosen and the data with those of the first process.

    Raises:
      ConfigError: if config or backend differ.
      DataError: if the data differ.
    """
    if together.alone:
        return
    here = {
        name: value
        for name, value in flatten(experiment.config.to_dict()).items()
        if name not in MAY_DIFFER
    } | {"recurrence.backend": experiment.model.recurrence["backend"]}
    first, data = together.share([here, _checksums(images)])
    differing = [
        f"{name}: {value}, there {first[name]}"
        for name, value in here.items()
        if first[name] != value
    ]
    if differing:
        raise ConfigError(
            f"config differs from that of process 0 ({', '.join(differing)});"
            " start all processes with the same flags"
        )
    if data != _checksums(images):
        raise DataError(
            f"the data from {images.origin} differ from those of process 0; give all processes"
            " the same files"
        )


def _checksums(images: ImageSet) -> list[int]:
    return [
        zlib.crc32(array.tobytes())
        for split in (images.train, images.test)
        for array in (split.images, split.labels)
    ]
