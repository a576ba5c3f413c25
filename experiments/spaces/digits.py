"""A first search on the bundled digits: rate, step size and diffusion, two seeds each."""


def get_space(h):
    return h.product(
        h.quasi_random(
            8,
            h.log_uniform("optimizer.learning_rate", 1e-3, 2e-2),
            h.log_uniform("model.step_size", 0.1, 1.0),
            h.uniform("model.diffusion", 0.0, 0.5),
        ),
        h.seeds(2),
    )
