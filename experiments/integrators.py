"""Integrators of one field: accuracy against cost on pooled MNIST (14 x 14, T = 196, 128 units).

`python -m asrnn.reproduce integrators` runs each row with three seeds. A row is a scheme, its
steps for each input (`model.substeps`) and γ; ε, the time that passes for an input, is the same in
all of them. So rows of equally many substeps have equal steps, and rows of equal `substeps` times
the stages of the scheme have equal evaluations of the field. The field is that of eq. 12, and for
the split schemes its Hamiltonian form, which has half the products and fewer parameters.

The optimizer's settings are those with which the schemes were first compared, for none of them in
particular: Adam at 0.003 with a cosine to 0, gradients clipped at 1, 1,500 updates of batch 64.
"""

TITLE = "Integrators on pooled MNIST"

STEP_SIZE = 0.5
DIFFUSIONS = (0.0, 0.1)

SCHEMES = (
    ("antisymmetric", "euler", 1),
    ("antisymmetric", "euler", 2),
    ("antisymmetric", "euler", 4),
    ("antisymmetric", "ab2", 1),
    ("antisymmetric", "ab2", 2),
    ("antisymmetric", "leapfrog2", 1),
    ("antisymmetric", "midpoint", 1),
    ("antisymmetric", "midpoint", 2),
    ("antisymmetric", "heun", 1),
    ("antisymmetric", "rk4", 1),
    ("antisymmetric", "backward_euler", 1),
    ("antisymmetric", "implicit_midpoint", 1),
    ("antisymmetric", "trapezoid", 1),
    ("hamiltonian", "rk4", 1),
    ("hamiltonian", "symplectic_euler", 1),
    ("hamiltonian", "leapfrog", 1),
)

SHARED = {
    "task.pool": 2,
    "model.step_size": STEP_SIZE,
    "model.init_scale": 0.7,
    "model.input_scale": 0.2,
    "optimizer.name": "adam",
    "optimizer.learning_rate": 0.003,
    "optimizer.schedule": "cosine",
    "optimizer.clip_norm": 1.0,
    "training.batch_size": 64,
    "training.eval_every": 500,
}

ROWS = [
    {
        "name": f"{cell}-{scheme}-{substeps}-gamma{diffusion:g}",
        "task": "mnist",
        "method": scheme,
        "units": 128,
        "config": "configs/mnist.py",
        "overrides": SHARED
        | {
            "model.cell": cell,
            "model.discretization": scheme,
            "model.substeps": substeps,
            "model.diffusion": diffusion,
        },
        "steps": 1_500,
        "seeds": [0, 1, 2],
    }
    for diffusion in DIFFUSIONS
    for cell, scheme, substeps in SCHEMES
]
