"""Downloads and converts a task's data, or takes them from original files.

  python -m asrnn.prepare --task=mnist --data_dir=DIR [--raw_dir=DIR]

Verifies size and sha256 and writes a TensorFlow Datasets directory in
array_record, without TensorFlow; train on it with
--config.task.source=tfds --config.task.data_dir=DIR.
"""

import signal

from absl import flags

from asrnn.command import required, run

TASK = flags.DEFINE_string("task", None, "A task of MNIST, Fashion-MNIST or CIFAR-10.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the dataset goes.")
RAW_DIR = flags.DEFINE_string(
    "raw_dir", None, "A folder with the original files; nothing is downloaded then."
)


def main() -> None:
    """Prepares; the last line says where the result is."""
    from asrnn.tasks import prepare_task

    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is half done is removed
    prepare_task(required(TASK, "mnist"), required(DATA_DIR, "data"), RAW_DIR.value)


if __name__ == "__main__":
    run(main)
