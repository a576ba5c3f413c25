"""One's own data: an .npz file with `inputs` and `targets`, no code.

  python -m asrnn.train --config=configs/npz.py --config.task.data_dir=FILE.npz

`numpy.savez("FILE.npz", inputs=..., targets=...)` writes it: sequences [N, T, m], or images of
uint8 [N, H, W] or [N, H, W, channels] that are read pixel by pixel; classes are integers [N],
numbers are floats [N] or [N, k] (variant `real`). A target at every step is [N, T], or [N, T, k]
(variant `every_step`). A `mask` of booleans says which targets count. 1,000 examples are kept for
the test and 1,000 for the validation, unless the file has parts of its own, such as `inputs_test`
and `targets_test`: docs/adding-a-task.md. The settings are a place to start from.

Variants, after a colon and separated by commas: real, every_step, gated, lstm, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "real": {"objective.name": "squared_error"},
    "every_step": {"model.readout": "every_step"},
    "gated": {"model.cell": "gated_antisymmetric"},
    "lstm": {"model.cell": "lstm"},
    "quick": {"training.steps": 200, "training.log_every": 20, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "npz"
    config.task.source = "npz"
    config.task.data_dir = ""  # the path of the file
    config.task.validation_size = 1_000  # of the examples to train on, chosen by the seed
    config.task.test_size = 1_000  # of all examples, chosen by task.split_seed
    config.objective.name = "cross_entropy"  # classes
    config.model.cell = "antisymmetric"
    config.model.hidden_size = 128  # n
    config.model.num_layers = 1
    config.model.step_size = 0.1  # ε: a sequence of 1,000 steps needs a smaller one
    config.model.diffusion = 0.1  # γ
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.003  # η
    config.optimizer.schedule = "cosine"  # to 0 at the last update
    config.optimizer.clip_norm = 1.0
    config.training.batch_size = 64  # B
    config.training.steps = 5_000  # updates
    config.training.log_every = 50  # updates between two rows of metrics.jsonl
    config.training.eval_every = 250  # updates between two validations
    config.training.checkpoint_every = 500  # what a kill can cost at most
    return apply_variants(config, arg, VARIANTS)
