"""Workdirs that the previous version wrote: this one resumes, evaluates, shows and counts them.

Each holds a run of 40 updates on the digits with checkpoints at 20 and 40. Losses agree closely
and not to the last bit, as another machine may round otherwise.
"""

import json
import shutil
from pathlib import Path

import pytest

from asrnn.errors import ConfigError
from asrnn.reports.page import make_page
from asrnn.reports.runs import read_run
from asrnn.runs.metrics import read_rows
from asrnn.runs.workdir import CHECKPOINTS, CONFIG, METRICS, open_workdir, read_config
from asrnn.sweeps.trials import make_job, make_trials, outcome
from asrnn.training.evaluation import evaluate_workdir
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import rows, steps_kept, summary

GOLDEN = Path(__file__).parents[1] / "golden"
RESUMED_FROM, STEPS = 20, 40
LOSS = {"rel": 1e-4}
ACCURACY = {"abs": 2 / 200}  # of 200 examples to validate on, two at a border may change sides


@pytest.fixture(params=["antisymmetric", "lstm"])
def golden(request):
    return GOLDEN / request.param


@pytest.fixture
def copied(golden, tmp_path):
    """A copy that may be changed, as it was when the run ended."""
    return Path(shutil.copytree(golden, tmp_path / golden.name))


def cut_back(workdir):
    """Leaves what a kill right after checkpoint 20 would have left."""
    folder = workdir / CHECKPOINTS
    shutil.rmtree(folder / str(STEPS))
    (folder / f"{STEPS}.json").unlink()
    (workdir / "summary.json").unlink()
    kept = [row for row in read_rows(workdir / METRICS) if row["step"] <= RESUMED_FROM]
    kept = [row for row in kept if row["split"] != "test"]
    (workdir / METRICS).write_text("".join(json.dumps(row) + "\n" for row in kept))


def assert_alike(found, expected):
    """Equal steps, parts and fields, and close numbers."""
    assert [(row["step"], row["split"]) for row in found] == [
        (row["step"], row["split"]) for row in expected
    ]
    for row, other in zip(found, expected, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"step", "split"}:
            tolerance = ACCURACY if name == "accuracy" else LOSS
            assert row[name] == pytest.approx(other[name], **tolerance), (row, name)


def test_without_its_last_checkpoint_it_resumes_and_ends_with_the_recorded_rows(copied, golden):
    cut_back(copied)
    kept = read_rows(copied / METRICS)
    train_and_evaluate(read_config(copied / CONFIG), copied)
    assert read_rows(copied / METRICS)[: len(kept)] == kept  # with the speeds of long ago
    assert_alike(rows(copied), rows(golden))
    assert {row["split"] for row in rows(copied)} == {"train", "validation", "test"}
    assert steps_kept(copied) == [RESUMED_FROM, STEPS]
    before, now = summary(golden), summary(copied)
    for name in ("status", "task", "cell", "steps", "num_parameters", "best_step", "test_step"):
        assert now[name] == before[name]
    for name in ("validation_accuracy", "test_accuracy"):
        assert now[name] == pytest.approx(before[name], **ACCURACY)


def test_a_finished_run_of_the_same_config_trains_nothing(copied):
    before = (copied / METRICS).read_bytes()
    train_and_evaluate(read_config(copied / CONFIG), copied)
    assert (copied / METRICS).read_bytes() == before


def test_its_best_checkpoint_is_evaluated(copied, golden):
    for split in ("validation", "test"):
        recorded = [row for row in rows(golden) if row["split"] == split]
        found = evaluate_workdir(copied, split)
        (expected,) = (row for row in recorded if row["step"] == found["step"])
        assert found["step"] == summary(golden)["best_step"]
        assert found["loss"] == pytest.approx(expected["loss"], **LOSS)
        assert found["accuracy"] == pytest.approx(expected["accuracy"], **ACCURACY)


def test_a_changed_field_is_refused_and_one_that_nobody_reads_is_not(copied):
    config = read_config(copied / CONFIG)
    config.optimizer.momentum = 0.3  # of sgd
    with open_workdir(copied, config):
        pass
    config.model.hidden_size = 9
    with pytest.raises(ConfigError, match="hidden_size: 8 -> 9"), open_workdir(copied, config):
        pass


def test_a_report_reads_it(copied, golden):
    run = read_run(copied, copied.parent)
    assert (run.status, run.steps, run.task, run.cell) == ("done", STEPS, "digits", golden.name)
    assert run.test_score == summary(golden)["test_accuracy"]
    page = make_page(copied.parent)
    assert golden.name in page
    assert f"{summary(golden)['test_accuracy']:.2%}" in page


def test_a_sweep_counts_it_as_a_finished_trial(golden, tmp_path):
    base = read_config(golden / CONFIG)
    base.optimizer.learning_rate = 0.1
    (trial,) = make_trials([{"optimizer.learning_rate": 0.005}])
    job = make_job(base, trial, tmp_path)
    shutil.copytree(golden, job.workdir)
    with open_workdir(job.workdir, job.config):  # it is the run of this trial
        pass
    found = outcome(job)
    assert (found.finished, found.status, found.step) == (True, "done", STEPS)
    assert found.score == summary(golden)["validation_accuracy"]
