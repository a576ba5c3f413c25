"""Evaluates the best checkpoint of a workdir, or a trained network that ships.

python -m asrnn.evaluate --workdir=DIR [--split=test]
python -m asrnn.evaluate --pretrained=mnist-gated --source=files --data_dir=DIR
"""

from absl import flags

from asrnn.command import network_flags, run

NETWORK = network_flags()
SPLIT = flags.DEFINE_enum(
    "split", "test", ["train", "validation", "test"], "The part of the data to evaluate on."
)
SOURCE = flags.DEFINE_string("source", "", "Where the data come from, instead of task.source.")
DATA_DIR = flags.DEFINE_string("data_dir", "", "Their folder, instead of task.data_dir.")


def main() -> None:
    """Prints the metrics of one part of the data, that by which runs are compared first."""
    from asrnn.trained import load
    from asrnn.training.devices import configure_jax

    configure_jax()
    network = load(NETWORK(), source=SOURCE.value, data_dir=DATA_DIR.value)
    result, objective = network.evaluate(SPLIT.value), network.experiment.objective
    names = sorted(objective.metrics, key=lambda name: name != objective.monitored)
    metrics = ", ".join(f"{name} {objective.metrics[name].text(result[name])}" for name in names)
    print(f"{SPLIT.value} {metrics}, checkpoint {result['step']}, {result['examples']:,} examples")


if __name__ == "__main__":
    run(main)
