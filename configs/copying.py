"""The copying problem (Arjovsky et al. 2016): ten symbols, `task.length` blanks, the symbols again.

T = length + 20, m = 10, one of 9 classes at every step. Remembering nothing gives the
cross-entropy 10 ln 8 / (length + 20), 0.0945 nats for 200 blanks, and 96.0 % of the steps right.
The examples are generated: no two are the same, and there is nothing to download.

  python -m asrnn.train --config=configs/copying.py

No number is claimed: it has not been run to the end here.

Variants, after a colon and separated by commas: antisymmetric, lstm, short, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "antisymmetric": {"model.cell": "antisymmetric"},
    "lstm": {"model.cell": "lstm"},
    "short": {"task.length": 20},
    "quick": {"training.steps": 200, "training.log_every": 20, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "copying"
    config.task.source = "generated"
    config.task.length = 200  # blanks between the symbols and their recall
    config.task.validation_size = 1_000  # generated, by the seed
    config.task.test_size = 1_000  # generated, the same for all seeds
    config.objective.name = "cross_entropy"
    config.model.cell = "gated_antisymmetric"  # eq. 13
    config.model.readout = "every_step"
    config.model.hidden_size = 128  # n
    config.model.step_size = 0.1  # ε
    config.model.diffusion = 0.01  # γ
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.003  # η: not searched
    config.optimizer.schedule = "cosine"  # to 0 at the last update
    config.optimizer.clip_norm = 1.0
    config.training.batch_size = 64  # B
    config.training.steps = 20_000  # updates
    config.training.log_every = 100  # updates between two rows of metrics.jsonl
    config.training.eval_every = 1_000  # updates between two validations
    config.training.checkpoint_every = 1_000  # what a kill can cost at most
    return apply_variants(config, arg, VARIANTS)
