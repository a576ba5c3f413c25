"""Trained networks for use: loaded from a workdir or by name, asked for predictions, exported."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from asrnn import pretrained
from asrnn.errors import ConfigError
from asrnn.runs.checkpoints import flat_leaves
from asrnn.runs.summary import read_summary
from asrnn.tasks import TASKS, Resident, time_major
from asrnn.training.evaluation import evaluate_trained, part_of
from asrnn.training.examples import Examples, KeyPurpose
from asrnn.training.experiment import Experiment, make_experiment
from asrnn.training.predictions import Advance, Predictions, ignored, judge_examples
from asrnn.training.saved import Trained, find_trained, read_trained
from asrnn.typing import Array, Key

BATCH_SIZE = 100
"""Inputs are cut into batches of as many, the last one padded, so that one compilation serves."""

Forward = Callable[[Any, Array, Key], Array]


class TrainedNetwork:
    """A trained network with its task.

    Inputs are N examples as the data set has them, uint8 images `[N, H, W]` or `[N, H, W, Ch]`
    (pooled, ordered, scaled and padded as the config says; the noise of example i is that of
    example i of an evaluation), or sequences that are ready, numbers `[N, T, m]`.

    Args:
      trained: the parts of a run and its parameters.

    Attributes:
      params: the parameters, a nested dict of arrays.
      step: the update after which they were these.
      experiment: the parts of the run.
    """

    def __init__(self, trained: Trained):
        self._trained = trained
        self._parts: dict[str, Examples] = {}  # as they were loaded
        self.experiment, self.params, self.step = trained
        self._outputs = _compiled(self.experiment, self.experiment.model.outputs)
        self._states = _compiled(self.experiment, self.experiment.model.states)

    def __repr__(self) -> str:
        model, task = self.config.model, self.experiment.task.name
        return f"<{model.cell}, {model.hidden_size} units, trained on {task}, step {self.step}>"

    @property
    def config(self) -> ConfigDict:
        """The config of the run."""
        return self.experiment.config

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes; else they are k numbers."""
        return self.experiment.task.targets == "class"

    def predict(self, inputs: Any, advance: Advance = ignored) -> np.ndarray:
        """The most probable classes, int32 `[N]`, or the numbers, float32 `[N, k]`.

        With a target at every step they are `[N, T]` or `[N, T, k]`.

        Args:
          inputs: N examples.
          advance: is told how many more of them are done.

        Raises:
          ConfigError: for inputs that do not fit the task.
        """
        outputs = self._apply(self._outputs, inputs, advance)
        return outputs.argmax(-1).astype(np.int32) if self.classifies else outputs

    def probabilities(self, inputs: Any, advance: Advance = ignored) -> np.ndarray:
        """The softmax of the outputs, float32 `[N, C]`, or `[N, T, C]` at every step.

        Args:
          inputs: N examples.
          advance: is told how many more of them are done.

        Raises:
          ConfigError: for inputs that do not fit the task, or a task without classes.
        """
        if not self.classifies:
            raise ConfigError(
                f"the targets of task {self.experiment.task.name} are numbers, which have no"
                " probabilities; use predict"
            )
        return np.asarray(jax.nn.softmax(self._apply(self._outputs, inputs, advance)))

    def states(self, inputs: Any) -> np.ndarray:
        """The hidden states of the last layer, float32 `[N, T, n]`.

        Raises:
          ConfigError: for inputs that do not fit the task.
        """
        return self._apply(self._states, inputs)

    def evaluate(self, split: str = "test") -> dict[str, float]:
        """The metrics on a part; raises what `asrnn.training.evaluation.part_of` raises."""
        return evaluate_trained(self._trained, self._part(split))

    def predict_part(self, split: str = "test") -> Predictions:
        """The predictions of a part; raises what `asrnn.training.evaluation.part_of` raises."""
        return self.judge(split)[1]

    def judge(
        self, split: str = "test", advance: Advance = ignored
    ) -> tuple[dict[str, float], Predictions]:
        """What `evaluate` and `predict_part` give, by one pass over the part.

        Args:
          split: which part.
          advance: is told how many more examples are done.

        Raises:
          AsrnnError: as `asrnn.training.evaluation.part_of`.
        """
        return judge_examples(self._trained, self._part(split), advance)

    def size(self, split: str = "test") -> int:
        """The number of examples of a part, which is loaded."""
        return self._part(split).number

    def _part(self, split: str) -> Examples:
        if split not in self._parts:
            self._parts[split] = part_of(self._trained, split)
        return self._parts[split]

    def _apply(self, forward: Forward, inputs: Any, advance: Advance = ignored) -> np.ndarray:
        checked = _fitting(self.experiment, np.asarray(inputs))
        key = self.experiment.key(KeyPurpose.EVALUATION_NOISE)
        found = []
        for start in range(0, len(checked), BATCH_SIZE):
            batch = checked[start : start + BATCH_SIZE]
            padding = [(0, BATCH_SIZE - len(batch))] + [(0, 0)] * (batch.ndim - 1)
            numbers = np.arange(start, start + BATCH_SIZE, dtype=np.uint32)
            keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
            outputs = forward(self.params, jnp.asarray(np.pad(batch, padding)), keys)
            found.append(np.asarray(outputs)[: len(batch)])
            advance(len(batch))
        return np.concatenate(found)


def _compiled(experiment: Experiment, function: Callable[..., Array]) -> Forward:
    """(params, inputs [B, ...], keys [B]) -> `function` of the sequences, batch first."""
    source, coefficients = experiment.task.source, experiment.hyper.coefficients

    def forward(params: Any, inputs: Array, keys: Key) -> Array:
        images = inputs.dtype == jnp.uint8 and isinstance(source, Resident)
        sequence = source.sequence if images and isinstance(source, Resident) else time_major
        found = function(params, coefficients, sequence(inputs, keys))
        return jnp.swapaxes(found, 0, 1) if found.ndim == 3 else found

    return jax.jit(forward)


def _fitting(experiment: Experiment, inputs: np.ndarray) -> np.ndarray:
    """Images uint8 [N, H, W, Ch], or sequences float32 [N, T, m], of the task.

    Raises:
      ConfigError: for anything else.
    """
    task = experiment.task
    shape = task.source.image_shape if isinstance(task.source, Resident) else None
    sequence = (task.length, task.input_size)
    if shape is not None and inputs.dtype == np.uint8:
        images = inputs[..., np.newaxis] if inputs.ndim == 3 else inputs
        if images.shape[1:] == shape and len(images):
            return images
    elif inputs.dtype.kind in "biuf" and inputs.shape[1:] == sequence and len(inputs):
        with np.errstate(over="ignore"):
            numbers = inputs.astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ConfigError("the inputs hold a number that is not finite, or not in float32")
        return numbers
    images_text = "" if shape is None else f"uint8 images [N, {', '.join(map(str, shape))}] or "
    raise ConfigError(
        f"the inputs of task {task.name} are {images_text}sequences of numbers"
        f" [N, {task.length}, {task.input_size}], N from 1;"
        f" found {inputs.dtype} {list(inputs.shape)}"
    )


def load(network: str | Path, changes: Mapping[str, Any] | None = None) -> TrainedNetwork:
    """Loads a trained network: `asrnn.load("runs/my-run").predict(images)`.

    With `{"model.discretization": "rk4"}` it is the same ODE under another scheme: a network that
    learnt the ODE, not the map of its scheme, does as well.

    Args:
      network: the name of one that ships (`asrnn.pretrained`), else the workdir of a run, of which
        the best checkpoint is loaded. A Path is always a workdir.
      changes: to fields of its config, by dotted name, that leave the parameters what they are:
        `task.source` and `task.data_dir`, where `evaluate` finds the data, and those of the
        discretisation.

    Raises:
      ConfigError: if there is no such network or workdir, or a change cannot be made.
      DataError: if the data decide the shapes, as those of npz do, and they are not readable.
      CheckpointError: if its files are damaged.
    """
    return TrainedNetwork(find_trained(network, changes))


def export(workdir: Path, name: str, command: str, note: str = "") -> Path:
    """Writes the network of a finished run into the package, and with it where it comes from.

    What is written of its config names no folder of this machine: the data come from the task's
    usual source, on the best backend that is there.

    Args:
      workdir: the folder of the run.
      name: what `load` will call it.
      command: with which it can be trained again.
      note: on what it was trained, for example.

    Raises:
      ConfigError: for a name that cannot be used, a workdir that is not one of a finished run, or
        a task whose shapes depend on a file.
      CheckpointError: if a file cannot be read or written.
    """
    pretrained.check_name(name)
    summary = read_summary(workdir)
    if summary is None or summary["status"] != "done":
        raise ConfigError(f"the run in {workdir} is not finished; run its command again first")
    trained = read_trained(workdir)
    config, metric = ConfigDict(trained.experiment.config.to_dict()), trained.experiment.objective
    config.task.source, config.task.data_dir = TASKS[config.task.name].sources[0], ""
    config.recurrence.backend, config.training.init_from = "auto", ""
    make_experiment(config)
    measured = {
        f"{part}_{metric.monitored}": summary[f"{part}_{metric.monitored}"]
        for part in ("validation", "test")
    }
    origin = summary.get("init_from")
    if origin is not None:
        origin = origin | {"network": Path(origin["network"]).name}
    facts = {
        "command": command,
        "init_from": origin,
        "note": note,
        "seed": config.seed,
        "step": trained.step,
        **measured,
        "num_parameters": summary["num_parameters"],
        "versions": summary["versions"],
        "config": config.to_dict(),
    }
    arrays = {key: np.asarray(leaf) for key, leaf in flat_leaves(trained.params).items()}
    return pretrained.write(name, arrays, facts)
