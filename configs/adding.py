"""The adding problem (Hochreiter and Schmidhuber 1997): T = `task.length` = 200, m = 2.

Two numbers of a sequence are marked, one in each half; the target is their sum. Always answering
1 gives the squared error 1/6 = 0.167. The examples are generated: no two are the same, and there
is nothing to download.

  python -m asrnn.train --config=configs/adding.py

Measured: squared error 0.00026, 0.00035 and 0.00020 on 1,000 test examples with seeds 0, 1 and 2
after 1,500 updates, 42 seconds on two cores of an AMD EPYC (up to 166 beside other programs).

A gate that is nearly shut, σ(-2) = 0.12, makes the network forget slowly and opens for a mark.

Variants, after a colon and separated by commas: lstm, long, quick.
"""

from ml_collections import ConfigDict

from asrnn.config import Variants, apply_variants, base_config

VARIANTS: Variants = {
    "lstm": {"model.cell": "lstm"},
    "long": {"task.length": 750},
    "quick": {"training.steps": 300, "training.log_every": 20, "training.eval_every": 100},
}


def get_config(arg: str = "") -> ConfigDict:
    config = base_config()
    config.task.name = "adding"
    config.task.source = "generated"
    config.task.length = 200  # T
    config.task.validation_size = 1_000  # generated, by the seed
    config.task.test_size = 1_000  # generated, the same for all seeds
    config.objective.name = "squared_error"
    config.model.cell = "gated_antisymmetric"  # eq. 13
    config.model.hidden_size = 64  # n
    config.model.step_size = 0.5  # ε
    config.model.diffusion = 0.001  # γ: what it forgets in a step is ε γ z
    config.model.init_scale = 0.3  # σ_w: slow rotations
    config.model.gate_bias = -2.0  # of z before any input
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.01  # η
    config.optimizer.schedule = "cosine"  # to 0 at the last update
    config.optimizer.clip_norm = 1.0
    config.training.batch_size = 64  # B
    config.training.steps = 1_500  # updates
    config.training.log_every = 50  # updates between two rows of metrics.jsonl
    config.training.eval_every = 250  # updates between two validations
    config.training.checkpoint_every = 500  # what a kill can cost at most
    return apply_variants(config, arg, VARIANTS)
