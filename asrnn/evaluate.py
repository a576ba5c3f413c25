"""Evaluates the best checkpoint of a workdir, or a trained network that ships.

python -m asrnn.evaluate --workdir=DIR [--split=test] [--json]
                         [--out=FILE.npz|FILE.json]
python -m asrnn.evaluate --pretrained=mnist-gated --source=files --data_dir=DIR
python -m asrnn.evaluate --workdir=DIR --discretization=rk4

Prints the metrics, then the confusion matrix with the accuracy of each class;
for targets that are numbers, their errors. Under another discretization it
shows whether the network is the ODE, or Euler's map of it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from asrnn.command import loading, network_flags, run
from asrnn.console import to_stderr
from asrnn.errors import ConfigError

if TYPE_CHECKING:
    from asrnn.training.predictions import Predictions

NETWORK = network_flags()
SPLIT = flags.DEFINE_enum(
    "split", "test", ["train", "validation", "test"], "The part of the data to evaluate on."
)
SOURCE = flags.DEFINE_string("source", "", "Where the data come from, instead of task.source.")
DATA_DIR = flags.DEFINE_string("data_dir", "", "Their folder, instead of task.data_dir.")
SCHEME = flags.DEFINE_string("discretization", "", "Instead of model.discretization.")
STEP_SIZE = flags.DEFINE_float("step_size", None, "ε, instead of model.step_size.")
SUBSTEPS = flags.DEFINE_integer("substeps", None, "Instead of model.substeps.")
JSON = flags.DEFINE_bool("json", False, "Print everything but the predictions as JSON.")
OUT = flags.DEFINE_string(
    "out", None, "Write predictions, targets and probabilities of each example to an .npz or .json."
)


def main() -> None:
    """Prints the metrics of one part of the data, that by which runs are compared first."""
    chosen = NETWORK()
    if OUT.value and not OUT.value.endswith((".npz", ".json")):
        raise ConfigError(f"--out must end in .npz or .json, found {OUT.value}")
    loading("jax")
    from asrnn.progress import Progress
    from asrnn.trained import load
    from asrnn.training.devices import configure_jax
    from asrnn.training.predictions import details, details_text

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
    number, objective = network.size(SPLIT.value), network.experiment.objective
    to_stderr(f"evaluating {number:,} {SPLIT.value} examples")
    with Progress(f"{SPLIT.value} examples", number) as progress:
        result, found = network.judge(SPLIT.value, progress.advance)
    said = details(found)
    if JSON.value:
        print(json_text({"split": SPLIT.value, **result, **said}))
    else:
        names = sorted(objective.metrics, key=lambda name: name != objective.monitored)
        metrics = (f"{name} {objective.metrics[name].text(result[name])}" for name in names)
        under = "".join(f", {field}={changes[field]}" for field in changes if "model." in field)
        examples = f"{result['examples']:,} examples"
        line = f"{SPLIT.value} {', '.join(metrics)}, checkpoint {result['step']}, {examples}{under}"
        print(line, details_text(said), sep="\n")
    if OUT.value:
        write(Path(OUT.value), found, {"split": SPLIT.value, **result, **said})
        (to_stderr if JSON.value else print)(f"written: {OUT.value}")


def json_text(said: Mapping[str, Any]) -> str:
    """JSON with a line for each entry and for each row of a matrix."""
    lines = []
    for name, value in said.items():
        text = json.dumps(value)
        if isinstance(value, list) and any(isinstance(row, list) for row in value):
            text = "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]"
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def write(path: Path, found: "Predictions", said: dict[str, Any]) -> None:
    """Writes what was predicted: arrays to .npz, or all of it to .json.

    Raises:
      CheckpointError: if it cannot be written.
    """
    import numpy as np

    from asrnn.files import replacing_output

    arrays = {name: array for name, array in found._asdict().items() if array is not None}
    with replacing_output(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".npz":
            np.savez(file, **arrays)
        else:
            lists = {name: array.tolist() for name, array in arrays.items()}
            file.write(json.dumps(said | lists).encode())


if __name__ == "__main__":
    run(main)
