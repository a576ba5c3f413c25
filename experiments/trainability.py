"""Where two networks can be trained at all: accuracy over ε σ_w and γ/ε, on pixel MNIST (T = 784).

`python -m asrnn.reproduce trainability` runs a grid of the map that `reproduce phase` draws, with
the sizes of that map: n = 64, ε = 0.1, V times 0.2, a gate bias of 1. `phase` then writes the
accuracies that it finds in its folder on the map.

The optimizer is the same for all points and for none of them in particular: Adam at 0.001 with a
cosine to 0, gradients clipped at 1, 1,500 updates of batch 32.
"""

from asrnn.paper.phase import CELLS, GATE_BIAS, HIDDEN_SIZE, INPUT_SCALE, STEP_SIZE

TITLE = "Trainability on pixel MNIST"

SPEEDS = (0.01, 0.03, 0.1, 0.3, 0.8)
DIFFUSIONS = (0.03, 0.3, 3.0)

SHARED = {
    "model.hidden_size": HIDDEN_SIZE,
    "model.step_size": STEP_SIZE,
    "model.input_scale": INPUT_SCALE,
    "optimizer.name": "adam",
    "optimizer.learning_rate": 0.001,
    "optimizer.schedule": "cosine",
    "optimizer.clip_norm": 1.0,
    "training.batch_size": 32,
    "training.eval_every": 500,
}

ROWS = [
    {
        "name": f"{cell}-speed{speed:g}-damping{diffusion:g}",
        "task": "mnist",
        "method": f"{cell}, ε σ_w = {speed:g}, γ/ε = {diffusion:g}",
        "units": HIDDEN_SIZE,
        "config": "configs/mnist.py",
        "overrides": SHARED
        | {
            "model.cell": cell,
            "model.init_scale": speed / STEP_SIZE,
            "model.diffusion": diffusion * STEP_SIZE,
        }
        | ({"model.gate_bias": GATE_BIAS} if cell == "gated_antisymmetric" else {}),
        "steps": 1_500,
        "seeds": [0],
    }
    for cell in CELLS
    for diffusion in DIFFUSIONS
    for speed in SPEEDS
]
