"""Puts the network of a finished run among those that ship with the package.

  python -m asrnn.export --workdir=DIR --name=NAME --command='python -m asrnn.train ...'

It is then `asrnn.load("NAME")`, and --pretrained=NAME of evaluate and predict.
"""

from pathlib import Path

from absl import flags

from asrnn.command import required, run

WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a run.")
NAME = flags.DEFINE_string("name", None, "What the network will be called.")
COMMAND = flags.DEFINE_string("command", None, "The command that trains it; it is recorded.")
NOTE = flags.DEFINE_string("note", "", "Recorded too: what it was trained on, for example.")


def main() -> None:
    """Writes two files, prints the path of the first."""
    from asrnn.trained import export
    from asrnn.training.devices import configure_jax

    configure_jax()
    path = export(
        Path(required(WORKDIR, "runs/my-run")),
        required(NAME, "mnist-gated"),
        required(COMMAND, "'python -m asrnn.train --config=configs/mnist.py:gated'"),
        NOTE.value,
    )
    print(f"written: {path}")


if __name__ == "__main__":
    run(main)
