"""Predicts with the network of a workdir, or one that ships: a line an example.

  python -m asrnn.predict --workdir=DIR --input=FILE.npz
  python -m asrnn.predict --pretrained=mnist-gated --input=1.png --input='*.png'

A line has the example, its class and the probability of it, or the numbers,
separated by tabs; with a target at every step, the class or the numbers of each
step.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from asrnn.command import loading, network_flags, run
from asrnn.console import to_stderr
from asrnn.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

NETWORK = network_flags()
INPUT = flags.DEFINE_multi_string(
    "input", None, "An .npz file with an array `inputs`, or a picture."
)
OUT = flags.DEFINE_string(
    "out", None, "Writes FILE.npz with `predictions` and, for classes, `probabilities` instead."
)


def main() -> None:
    """Loads, predicts, prints or writes."""
    from asrnn.tasks.inputs import found_files, read_inputs

    if not INPUT.value:
        raise ConfigError("no input given; for example --input=FILE.npz or --input=one.png")
    files, chosen = found_files(INPUT.value), NETWORK()
    loading("jax")
    from asrnn.progress import Progress
    from asrnn.trained import load
    from asrnn.training.devices import configure_jax

    configure_jax()
    network = load(chosen)
    inputs, names = read_inputs(network.experiment.task, files)
    to_stderr(f"predicting {len(names):,} example{'s' * (len(names) != 1)}")
    with Progress("examples", len(names)) as progress:
        if network.classifies:
            probabilities = network.probabilities(inputs, progress.advance)
            found = {"predictions": probabilities.argmax(-1), "probabilities": probabilities}
        else:
            found = {"predictions": network.predict(inputs, progress.advance)}
    if OUT.value:
        write(Path(OUT.value), found)
        return
    for number, name in enumerate(names):
        print(name, *texts({key: array[number] for key, array in found.items()}), sep="\t")


def texts(example: "dict[str, np.ndarray]") -> list[str]:
    """The predictions of an example as words; the probability of its class, if it has only one."""
    predictions = example["predictions"]
    if "probabilities" not in example:
        return [f"{value:.6g}" for value in predictions.ravel()]
    if predictions.ndim:
        return [str(value) for value in predictions]
    return [str(predictions), f"{example['probabilities'][predictions]:.4f}"]


def write(path: Path, arrays: "dict[str, np.ndarray]") -> None:
    """Writes an .npz file.

    Raises:
      CheckpointError: if it cannot be written.
    """
    import numpy as np

    from asrnn.files import replacing_output

    with replacing_output(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    print(f"written: {path}")


if __name__ == "__main__":
    run(main)
