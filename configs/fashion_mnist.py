"""Pixel-by-pixel Fashion-MNIST: T = 784, m = 1, scanline order. Not a task of the paper.

  python -m asrnn.train --config=configs/fashion_mnist.py \
      --config.task.source=files --config.task.data_dir=DIR

DIR holds the four original .gz files, which are called like those of MNIST; without these two
flags the data come from a directory that
`python -m asrnn.prepare --task=fashion_mnist --data_dir=DIR` made. No number is claimed: it has
not been run to the end here.

Variants, after a colon and separated by commas: gated, lstm, ablation, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "gated": {"model.cell": "gated_antisymmetric"},
    "lstm": {"model.cell": "lstm", "optimizer.name": "adam", "optimizer.learning_rate": 0.001},
    "ablation": {"model.cell": "ablation", "model.diffusion": 0.0},
    "quick": {"training.steps": 200, "training.log_every": 20, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "fashion_mnist"
    config.task.source = "tfds"  # or "files", with task.data_dir
    config.task.validation_size = 5_000  # of the training part, chosen by the seed
    config.model.cell = "antisymmetric"  # eq. 12
    config.model.hidden_size = 128  # n
    config.model.step_size = 0.01  # ε
    config.model.diffusion = 0.01  # γ
    config.model.init_scale = 1.0  # σ_w
    config.optimizer.name = "adagrad"
    config.optimizer.learning_rate = 0.5  # η: that of configs/mnist.py:paper, not searched
    config.training.batch_size = 128  # B
    config.training.steps = 50_000  # updates; epochs of 429
    config.training.log_every = 100  # updates between two rows of metrics.jsonl
    config.training.eval_every = 1_000  # updates between two validations
    config.training.checkpoint_every = 500  # what a kill can cost at most
    return apply_variants(config, arg, VARIANTS)
