"""Evaluates the best checkpoint of a workdir, or a trained network that ships.

python -m asrnn.evaluate --workdir=DIR [--split=test]
python -m asrnn.evaluate --pretrained=mnist-gated --source=files --data_dir=DIR
python -m asrnn.evaluate --workdir=DIR --discretization=rk4   # the ODE, or Euler's map of it?
"""

from absl import flags

from asrnn.command import loading, network_flags, run

NETWORK = network_flags()
SPLIT = flags.DEFINE_enum(
    "split", "test", ["train", "validation", "test"], "The part of the data to evaluate on."
)
SOURCE = flags.DEFINE_string("source", "", "Where the data come from, instead of task.source.")
DATA_DIR = flags.DEFINE_string("data_dir", "", "Their folder, instead of task.data_dir.")
SCHEME = flags.DEFINE_string("discretization", "", "Instead of model.discretization.")
STEP_SIZE = flags.DEFINE_float("step_size", None, "ε, instead of model.step_size.")
SUBSTEPS = flags.DEFINE_integer("substeps", None, "Instead of model.substeps.")


def main() -> None:
    """Prints the metrics of one part of the data, that by which runs are compared first."""
    chosen = NETWORK()
    loading("jax")
    from asrnn.trained import load
    from asrnn.training.devices import configure_jax

    configure_jax()
    wanted = {
        "task.source": SOURCE.value or None,
        "task.data_dir": DATA_DIR.value or None,
        "model.discretization": SCHEME.value or None,
        "model.step_size": STEP_SIZE.value,
        "model.substeps": SUBSTEPS.value,
    }
    changes = {field: value for field, value in wanted.items() if value is not None}
    network = load(chosen, changes)
    result, objective = network.evaluate(SPLIT.value), network.experiment.objective
    names = sorted(objective.metrics, key=lambda name: name != objective.monitored)
    metrics = ", ".join(f"{name} {objective.metrics[name].text(result[name])}" for name in names)
    under = "".join(f", {field}={changes[field]}" for field in changes if "model." in field)
    examples = f"{result['examples']:,} examples"
    print(f"{SPLIT.value} {metrics}, checkpoint {result['step']}, {examples}{under}")


if __name__ == "__main__":
    run(main)
