"""Permuted CIFAR-10: T = 1024, m = 3, one fixed random order of the pixels. Not of the paper.

  python -m asrnn.train --config=configs/permuted_cifar10.py \
      --config.task.source=files --config.task.data_dir=DIR

DIR holds cifar-10-binary.tar.gz or its unpacked folder; without these two flags the data
come from a directory that `python -m asrnn.prepare --task=cifar10 --data_dir=DIR` made. No
number is claimed: it has not been run to the end here.

Variants, after a colon and separated by commas: gated, lstm, ablation, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "gated": {"model.cell": "gated_antisymmetric"},
    "lstm": {
        "model.cell": "lstm",
        "model.hidden_size": 128,
        "optimizer.name": "adam",
        "optimizer.learning_rate": 0.001,
    },
    "ablation": {"model.cell": "ablation", "model.hidden_size": 196, "model.diffusion": 0.0},
    "quick": {"training.steps": 200, "training.log_every": 20, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "permuted_cifar10"
    config.task.source = "tfds"  # or "files", with task.data_dir
    config.task.validation_size = 5_000  # of the training part, chosen by the seed
    config.task.permutation_seed = 0  # which fixed order; its hash is in the summary
    config.model.cell = "antisymmetric"  # eq. 12
    config.model.hidden_size = 256  # n
    config.model.step_size = 0.01  # ε
    config.model.diffusion = 0.01  # γ
    config.model.init_scale = 1.0  # σ_w
    config.optimizer.name = "adagrad"
    config.optimizer.learning_rate = 0.1  # η: that of configs/cifar10.py, not searched
    config.training.batch_size = 128  # B
    config.training.steps = 300_000  # updates; epochs of 351
    config.training.log_every = 100  # updates between two rows of metrics.jsonl
    config.training.eval_every = 2_000  # updates between two validations
    config.training.checkpoint_every = 500  # what a kill can cost at most
    return apply_variants(config, arg, VARIANTS)
