"""The grids of the paper's appendix C, as far as they are known: 1,440 settings.

σ_w and ε are those of the published version. The grids of γ and of the learning rate are known
from memory only (docs/deviations.md). A sweep of all of it needs a cluster: --shard, --engine=ray.
"""


def get_space(h):
    return h.product(
        h.sweep("optimizer.name", ["sgd", "adagrad"]),
        h.sweep("model.init_scale", [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]),
        h.sweep("model.step_size", [0.01, 0.1, 1.0]),
        h.sweep("model.diffusion", [0.001, 0.01, 0.1, 1.0]),
        h.sweep("optimizer.learning_rate", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
    )
