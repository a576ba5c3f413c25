"""Twelve settings of the gated network outside `mnist.py`: other diffusions, scales and step sizes.

  python -m asrnn.sweep --config=configs/mnist.py:gated --space=experiments/spaces/mnist_gated.py \
      --config.training.steps=5000 --rungs=600,2000 --workers=1
"""


def get_space(h):
    sgd = h.product(
        h.fixed("optimizer.name", "sgd"),
        h.fixed("optimizer.momentum", 0.9),
        h.fixed("optimizer.learning_rate", 0.1),
    )
    adagrad = h.product(
        h.fixed("optimizer.name", "adagrad"),
        h.sweep("optimizer.learning_rate", [0.2, 0.5]),
    )

    def dynamics(step_size, diffusion, scale):
        return h.product(
            h.fixed("model.step_size", step_size),
            h.fixed("model.diffusion", diffusion),
            h.fixed("model.init_scale", scale),
        )

    return h.product(
        h.chain(sgd, adagrad),
        h.chain(
            dynamics(0.01, 0.01, 8.0),
            dynamics(0.01, 0.001, 4.0),
            dynamics(0.1, 0.01, 0.0),
            dynamics(0.1, 0.1, 1.0),
        ),
    )
