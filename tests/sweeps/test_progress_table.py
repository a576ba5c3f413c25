"""What a person sees of a sweep."""

import json

import pytest
from rich.console import Console

from asrnn.config import base_config
from asrnn.console import percent
from asrnn.sweeps import progress_table as module
from asrnn.sweeps.progress_table import ProgressTable, describe, live_table, short_names
from asrnn.sweeps.trials import make_job, make_trials, outcome

TRIALS = make_trials(
    [{"model.cell": cell, "optimizer.learning_rate": 0.1} for cell in ("antisymmetric", "lstm")]
)


@pytest.fixture
def jobs(tmp_path):
    config = base_config()
    config.training.steps = 1000
    return [make_job(config, trial, tmp_path) for trial in TRIALS]


def finish(job, accuracy, status="done"):
    job.workdir.mkdir()
    row = {"step": 1000, "split": "validation", "loss": 0.1, "accuracy": accuracy}
    (job.workdir / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (job.workdir / "summary.json").write_text(json.dumps({"status": status, "steps": 1000}))


def begin(progress, jobs):
    progress.rung(1000, {job.workdir.name: outcome(job) for job in jobs})


def test_without_a_terminal_there_is_a_line_for_each_trial_that_ends(jobs, capsys):
    with ProgressTable(TRIALS) as progress:
        begin(progress, jobs)
        progress.started(jobs[0])
        finish(jobs[0], 0.5)
        progress.ended(jobs[0])
        progress.started(jobs[1])
        progress.ended(jobs[1])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "to step 1,000: 2 trials",
        f"1/2  {TRIALS[0].id}  done at step 1,000  validation 50.00%"
        "  cell=antisymmetric learning_rate=0.1",
        f"1/2  {TRIALS[1].id}  stopped at step 0  validation -  cell=lstm learning_rate=0.1",
    ]


def test_on_a_terminal_a_table_shows_what_runs_and_what_leads(jobs, monkeypatch):
    console = Console(force_terminal=True, width=100, height=20, record=True)
    monkeypatch.setattr(module, "Console", lambda file: console)
    with ProgressTable(TRIALS) as progress:
        begin(progress, jobs)
        progress.started(jobs[1])
        finish(jobs[0], 0.75)
        progress.ended(jobs[0])
    text = console.export_text()
    assert "1/2 trials to step 1,000  (1 running)" in text
    leading, running = (ln for ln in text.splitlines() if any(t.id in ln for t in TRIALS))
    assert running.split() == ["running", "0", "-", "cell=lstm", TRIALS[1].id]
    assert leading.split()[:4] == ["done", "1,000", "75.00%", "cell=antisymmetric"]


SETTING = "optimizer=adagrad learning_rate=0.0312 init_scale=2 seed=1"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "…"),
        (60, "optimizer=adagrad …"),
        (80, "optimizer=adagrad learning_rate=0.0312 …"),
        (88, SETTING),
        (100, f"{SETTING}  0123456789"),
    ],
)
def test_what_fits_beside_status_step_and_score_is_as_much_of_the_setting(width, shown):
    console = Console(width=width, height=9, record=True)
    console.print(live_table([("done", "50,000", "97.31%", SETTING, "0123456789")], width))
    line = console.export_text().splitlines()[1].rstrip()
    assert line == f"done    50,000      97.31%  {shown}"


def test_the_settings_of_the_table_are_what_differs_with_three_digits():
    point = {"optimizer.name": "sgd", "model.cell": "lstm"}
    trials = make_trials([point | {"model.step_size": size} for size in (0.0123456, 1.0)])
    assert short_names(trials) == ["step_size=0.0123", "step_size=1"]
    assert short_names(trials[:1]) == ["optimizer=sgd cell=lstm step_size=0.0123"]


def test_a_trial_is_described_by_what_it_changes():
    assert describe(TRIALS[1]) == "cell=lstm learning_rate=0.1"
    assert (percent(None), percent(0.98765)) == ("-", "98.77%")
