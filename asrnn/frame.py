"""The frame of a config: the fields that every run reads, whichever components it chooses."""

from asrnn.dynamics import CELLS, SCHEMES
from asrnn.objectives import OBJECTIVES
from asrnn.optimizers import OPTIMIZERS, SCHEDULES
from asrnn.options import (
    COUNT,
    COUNT_OR_ZERO,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    SEED,
    Option,
    Use,
    one_of,
)
from asrnn.tasks import TASKS

SEED_OPTION = Option(
    "seed", 0, "initial parameters, order of the examples, noise", SEED, Use.INITIAL
)

FRAME: dict[str, tuple[Option, ...]] = {
    "task": (
        Option("name", "digits", f"one of {', '.join(TASKS)}"),
        Option(
            "source", "bundled", "where the data come from: bundled, tfds, files, generated, npz"
        ),
        Option(
            "data_dir",
            "",
            "folder of the data, or an .npz file; empty with tfds: its default folder",
        ),
        Option(
            "validation_size",
            0,
            "examples that the seed takes from the training part",
            COUNT_OR_ZERO,
        ),
    ),
    "model": (
        Option("cell", "antisymmetric", f"one of {', '.join(CELLS)}"),
        Option("hidden_size", 128, "n, the units of a layer", COUNT),
        Option("num_layers", 1, "layers of this cell; the states of one feed the next", COUNT),
        Option(
            "readout",
            "last",
            "what the head sees: last (hidden state), mean (over time), every_step",
            one_of("last", "mean", "every_step"),
        ),
        Option(
            "readout_dropout",
            0.0,
            "probability that a number which the head reads is dropped in training; 0: off",
            FRACTION,
            Use.RUN_TIME,
        ),
        Option("discretization", "euler", f"one of {', '.join(SCHEMES)}; for cells that are ODEs"),
    ),
    "recurrence": (
        Option("backend", "auto", "auto (the fastest available), native, adjoint, scan"),
        Option("unroll", 1, "scan: time steps per iteration of the loop", COUNT),
        Option(
            "remat",
            "none",
            "computed again in the backward pass: none, segments (O(√T) memory), reverse (O(1))",
            one_of("none", "segments", "reverse"),
        ),
        Option(
            "precision",
            "default",
            "of its products: float32, bfloat16_3x, bfloat16; default: as"
            " jax_default_matmul_precision is, float32 if nobody sets it",
            one_of("default", "float32", "bfloat16_3x", "bfloat16"),
        ),
    ),
    "objective": (Option("name", "cross_entropy", f"one of {', '.join(OBJECTIVES)}"),),
    "optimizer": (
        Option("name", "adagrad", f"one of {', '.join(OPTIMIZERS)}"),
        Option("learning_rate", 0.1, "η, before its schedule", POSITIVE, Use.RUN_TIME),
        Option("schedule", "constant", f"of the learning rate: {', '.join(SCHEDULES)}"),
        Option(
            "warmup_steps",
            0,
            "updates over which the rate rises to η; the schedule follows; 0: none",
            COUNT_OR_ZERO,
        ),
        Option(
            "clip_norm",
            0.0,
            "global norm above which gradients are scaled down; 0: off",
            NON_NEGATIVE,
            Use.RUN_TIME,
        ),
        Option(
            "ema_decay",
            0.0,
            "d: what is evaluated is the mean of the parameters, weighted by d^(updates ago);"
            " 0: the parameters",
            FRACTION,
            Use.RUN_TIME,
        ),
    ),
    "training": (
        Option("batch_size", 128, "B, the examples of an update", COUNT),
        Option(
            "accumulate", 1, "parts that a batch is cut into, one after the other in memory", COUNT
        ),
        Option("steps", 50_000, "updates", COUNT),
        Option("log_every", 100, "updates between two training rows of metrics.jsonl", COUNT),
        Option("eval_every", 1_000, "updates between two validations", COUNT),
        Option(
            "monitored",
            "",
            "metric of the validation by which checkpoints and runs are compared;"
            " empty: accuracy where there is one, else loss",
        ),
        Option(
            "patience",
            0,
            "validations without a better one after which the run ends; 0: it never does early",
            COUNT_OR_ZERO,
        ),
        Option("checkpoint_every", 1_000, "updates between two checkpoints", COUNT),
        Option(
            "diagnostics_every",
            0,
            "updates between two rows on gradients through time and Lyapunov exponents; 0: none",
            COUNT_OR_ZERO,
        ),
        Option(
            "init_from",
            "",
            "workdir, or name of a network that ships, whose parameters the run starts from;"
            " empty: they are drawn",
            use=Use.INITIAL,
        ),
        Option("tensorboard", False, "also write TensorBoard events (extra `tensorboard`)"),
        Option("wandb", False, "also log to Weights & Biases (extra `wandb`)"),
    ),
}
"""The fields that every run reads, by section."""

OFF_AT_ZERO = (
    *("model.readout_dropout", "optimizer.clip_norm"),
    *("optimizer.weight_decay", "optimizer.ema_decay"),
)
"""Run-time fields of which 0 leaves a part of the update out: the update is compiled without it."""
