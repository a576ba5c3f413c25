"""The paper's grid around ε = 0.01, for pixel MNIST and its permutation: 12 settings of a cell.

The paper publishes σ_w in {0, 1, 2, 4, 8, 16} and ε in {0.01, 0.1, 1}. ε = 0.01 with σ_w up to 4
is where the end-to-end Jacobian over 784 steps neither vanishes nor explodes. SGD with momentum
diverges at once from a rate of 0.4 on; Adagrad wants larger ones. Take one cell at a time:
successive halving compares settings of one network, not networks.

  python -m asrnn.sweep --config=configs/mnist.py:paper --space=experiments/spaces/mnist.py \
      --config.training.steps=5000 --rungs=600,2000 --workers=2
"""


def get_space(h):
    sgd = h.product(
        h.fixed("optimizer.name", "sgd"),
        h.fixed("optimizer.momentum", 0.9),
        h.sweep("optimizer.learning_rate", [0.1, 0.2]),
    )
    adagrad = h.product(
        h.fixed("optimizer.name", "adagrad"),
        h.sweep("optimizer.learning_rate", [0.5, 1.0]),
    )
    return h.product(h.chain(sgd, adagrad), h.sweep("model.init_scale", [1.0, 2.0, 4.0]))
