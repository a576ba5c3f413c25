"""Handwritten digits, 8x8, read pixel by pixel (T = 64, m = 1): the main job, self-contained.

The 1,797 images that scikit-learn ships; no download. Not a task of the paper: a first
run that takes a minute.

  make train
  python -m asrnn.train --config=configs/digits.py

Variants, after a colon and separated by commas: gated, lstm, ablation, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "gated": {"model.cell": "gated_antisymmetric"},
    "lstm": {"model.cell": "lstm"},
    "ablation": {"model.cell": "ablation", "model.diffusion": 0.0},
    "quick": {"training.steps": 200, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "digits"
    config.task.source = "bundled"
    config.task.validation_size = 200
    config.model.cell = "antisymmetric"
    config.model.hidden_size = 128  # n
    config.model.step_size = 0.5  # ε: larger than the paper's, for T is a tenth of its
    config.model.diffusion = 0.3  # γ: keeps an ε this large stable
    config.model.init_scale = 1.0  # σ_w
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.005
    config.optimizer.schedule = "cosine"
    config.training.batch_size = 64
    config.training.steps = 2_500
    config.training.log_every = 50
    config.training.eval_every = 250
    config.training.checkpoint_every = 500
    return apply_variants(config, arg, VARIANTS)
