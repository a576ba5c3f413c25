"""Downloads and converts a task's data, or takes them from a folder of original files.

  python -m asrnn.prepare --task=mnist --data_dir=DIR [--raw_dir=DIR]

Verifies size and sha256 and writes a TensorFlow Datasets directory in array_record, without
TensorFlow; train on it with --config.task.source=tfds --config.task.data_dir=DIR.
"""

from absl import flags

from asrnn.command import run

TASK = flags.DEFINE_string("task", None, "mnist, pmnist, cifar10 or ...", required=True)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the dataset goes.", required=True)
RAW_DIR = flags.DEFINE_string(
    "raw_dir", None, "A folder with the original files; nothing is downloaded then."
)


def main() -> None:
    """Prepares; the last line says where the result is."""
    from asrnn.tasks import prepare_task

    prepare_task(TASK.value, DATA_DIR.value, RAW_DIR.value)


if __name__ == "__main__":
    run(main)
