"""Evaluates the best checkpoint of a workdir.

python -m asrnn.evaluate --workdir=DIR [--split=test]
"""

from pathlib import Path

from absl import flags

from asrnn.command import required, run

WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a run.")
SPLIT = flags.DEFINE_enum(
    "split", "test", ["train", "validation", "test"], "The part of the data to evaluate on."
)


def main() -> None:
    """Prints loss and accuracy of one part of the data."""
    from asrnn.console import loss_text
    from asrnn.training.devices import configure_jax
    from asrnn.training.evaluation import evaluate_workdir

    configure_jax()
    result = evaluate_workdir(Path(required(WORKDIR, "runs/my-run")), SPLIT.value)
    print(
        f"{SPLIT.value} accuracy {result['accuracy']:.2%}, loss {loss_text(result['loss'])},"
        f" checkpoint {result['step']}, {result['examples']:,} examples"
    )


if __name__ == "__main__":
    run(main)
