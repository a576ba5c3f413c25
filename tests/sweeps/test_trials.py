"""A trial is its overrides; what became of it is in its workdir and nowhere else."""

import json

import pytest

from asrnn.config import base_config
from asrnn.errors import ConfigError
from asrnn.sweeps.trials import Job, distinct, first_alike, make_job, make_trials, outcome


def row(step, accuracy, split="validation"):
    return {"step": step, "split": split, "loss": 1.0, "accuracy": accuracy}


@pytest.fixture
def job(tmp_path):
    config = base_config()
    config.training.steps = 20
    return Job(tmp_path / "abc", config)


def left_behind(job, rows, summary=None):
    job.workdir.mkdir(exist_ok=True)
    text = "".join(json.dumps(entry) + "\n" for entry in rows)
    (job.workdir / "metrics.jsonl").write_text(text)
    if summary is not None:
        (job.workdir / "summary.json").write_text(json.dumps(summary))


def test_an_id_depends_on_the_overrides_alone():
    first, second = make_trials([{"seed": 1, "model.diffusion": 0.1}, {"seed": 2}])
    assert make_trials([{"model.diffusion": 0.1, "seed": 1}])[0].id == first.id
    assert first.id != second.id
    assert first.id == "97e1acc96b"  # a rerun by a later version finds its workdir


def test_equal_points_are_one_trial():
    assert len(make_trials([{"seed": 1}, {"seed": 1}])) == 1


def test_points_that_come_to_one_config_are_one_trial(tmp_path):
    rates = ({"optimizer.learning_rate": rate, "seed": 3} for rate in (1, 1.0, True, 2))
    spelt_out = {"optimizer.learning_rate": 2.0, "seed": 3, "optimizer.nesterov": False}
    trials = make_trials([*rates, spelt_out])
    assert len(trials) == 5
    assert distinct(base_config(), trials) == [trials[0], trials[3]]
    first = first_alike(base_config(), trials)
    assert [first[trial.id].id for trial in trials] == [trials[i].id for i in (0, 0, 0, 3, 3)]


def test_a_job_is_the_base_config_with_the_overrides(tmp_path):
    base = base_config()
    (trial,) = make_trials([{"model.step_size": 0.5}])
    job = make_job(base, trial, tmp_path, steps=7)
    assert job.workdir == tmp_path / trial.id
    assert (job.config.model.step_size, job.config.training.steps) == (0.5, 7)
    assert base == base_config()  # untouched


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"model.stepsize": 0.5}, "unknown field 'model.stepsize'; did you mean 'model.step_size'"),
        ({"model.step_size": -1.0}, "model.step_size must be positive"),
        (
            {"model.hidden_size": "many"},
            "sets model.hidden_size, of type int, to 'many' of type str$",
        ),
        ({"seed": 3.5}, "sets seed, of type int, to 3.5 of type float$"),
        ({"model": 3}, "unknown field 'model'"),
    ],
)
def test_overrides_that_cannot_be_used_are_refused(overrides, complaint, tmp_path):
    with pytest.raises(ConfigError, match=complaint):
        make_job(base_config(), make_trials([overrides])[0], tmp_path)


def test_a_job_that_nobody_began_is_waiting(job):
    assert outcome(job)[:4] == (False, "waiting", 0, None)


def test_a_job_under_way_is_started_and_has_its_best_validation_accuracy(job):
    left_behind(job, [row(5, 0.3), row(10, 0.2), row(12, 0.9, "train")])
    assert outcome(job)[:4] == (False, "started", 12, 0.3)


@pytest.mark.parametrize("status", ["stopped", "done"])
def test_a_job_short_of_its_last_step_is_not_finished(job, status):
    left_behind(job, [row(10, 0.5)], {"status": status, "steps": 10})
    assert outcome(job)[:4] == (False, "started", 10, 0.5)


def test_a_job_at_its_last_step_is_done(job):
    left_behind(job, [row(10, 0.5), row(20, 0.4)], {"status": "done", "steps": 20})
    assert outcome(job)[:4] == (True, "done", 20, 0.5)


def test_a_run_that_went_further_counts_as_what_it_was_at_the_jobs_last_step(job):
    rows = [row(10, 0.5), row(20, 0.6), row(30, 0.9)]
    left_behind(job, rows, {"status": "done", "steps": 30})
    assert outcome(job)[:4] == (True, "done", 20, 0.6)
    left_behind(job, rows, {"status": "diverged", "steps": 33})
    assert outcome(job)[:4] == (True, "done", 20, 0.6)
    left_behind(job, rows, {"status": "stopped", "steps": 33})
    assert outcome(job)[:4] == (True, "done", 20, 0.6)


def test_a_job_that_diverged_is_finished(job):
    left_behind(job, [row(10, 0.5)], {"status": "diverged", "steps": 15})
    assert outcome(job)[:4] == (True, "diverged", 15, 0.5)


def test_the_test_part_has_no_say(job):
    left_behind(job, [row(20, 0.5), row(20, 0.99, "test")], {"status": "done", "steps": 20})
    assert outcome(job).score == 0.5
