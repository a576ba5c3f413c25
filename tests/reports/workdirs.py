"""Workdirs and sweeps as training leaves them, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asrnn.config import base_config, to_json

SUMMARY: dict[str, Any] = {
    "status": "done",
    "task": "digits",
    "cell": "antisymmetric",
    "steps": 40,
    "num_parameters": 322,
    "validation_accuracy": 0.9,
    "best_step": 40,
    "test_accuracy": 0.88,
    "seconds": 90.5,
    "backend": "native",
    "data": "scikit-learn",
    "device": "cpu (2 cores)",
    "peak_memory_bytes": 300 * 2**20,
    "versions": {"python": "3.11.7", "jax": "0.10.2"},
}

ROWS: list[dict[str, Any]] = [
    {"step": 20, "split": "train", "loss": 2.0, "accuracy": 0.3},
    {"step": 20, "split": "validation", "loss": 1.5, "accuracy": 0.5},
    {"step": 40, "split": "train", "loss": 0.5, "accuracy": 0.85},
    {"step": 40, "split": "validation", "loss": 0.4, "accuracy": 0.9},
    {"step": 40, "split": "test", "loss": 0.45, "accuracy": 0.88},
]


def write_run(
    workdir: Path,
    overrides: dict[str, Any] | None = None,
    summary: dict[str, Any] | None = SUMMARY,
    rows: list[dict[str, Any]] = ROWS,
) -> Path:
    config = base_config()
    config.update_from_flattened_dict({"training.steps": 40} | (overrides or {}))
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(to_json(config))
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if summary is not None:
        (workdir / "summary.json").write_text(json.dumps(summary))
    return workdir


def write_diverged(workdir: Path, overrides: dict[str, Any] | None = None) -> Path:
    gone = SUMMARY | {"status": "diverged", "steps": 25, "test_accuracy": None}
    return write_run(workdir, overrides, gone, ROWS[:2])


SWEEP_CSV = """\
id,status,steps,rung,validation_accuracy,optimizer.name,optimizer.learning_rate,model.step_size
aa,done,40,1,0.8,sgd,0.1,
bb,done,40,1,0.9,adagrad,0.01,0.5
cc,diverged,7,0,,sgd,1,0.01
dd,started,10,0,0.6,sgd,0.001,0.1
ee,waiting,0,0,,adagrad,0.02,0.1
"""


def write_sweep(folder: Path, table: str = SWEEP_CSV) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trials.jsonl").write_text("")
    (folder / "sweep.csv").write_text(table)
    return folder / "sweep.csv"
