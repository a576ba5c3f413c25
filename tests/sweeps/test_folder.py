"""The folder of a sweep belongs to one sweep, and to one process at a time."""

import csv

import pytest

from asrnn.config import base_config, to_json
from asrnn.errors import CheckpointError, ConfigError, WorkdirInUse
from asrnn.files import read_sealed
from asrnn.runs.workdir import open_workdir
from asrnn.sweeps.folder import default_folder, open_folder, read_trials, write_table
from asrnn.sweeps.shard import WHOLE, Shard
from asrnn.sweeps.trials import Outcome, make_trials

TRIALS = make_trials([{"seed": 0, "optimizer.name": "sgd"}, {"seed": 1, "model.diffusion": 0.1}])


def test_the_trials_are_kept_as_they_are(tmp_path):
    with open_folder(tmp_path / "a", base_config(), TRIALS):
        assert read_trials(tmp_path / "a") == TRIALS


def test_another_process_is_refused_unless_it_is_another_shard(tmp_path):
    with open_folder(tmp_path, base_config(), TRIALS, Shard(0, 2)):
        with open_folder(tmp_path, base_config(), TRIALS, Shard(1, 2)):
            pass
        with (
            pytest.raises(WorkdirInUse, match="in use"),
            open_folder(tmp_path, base_config(), TRIALS, Shard(0, 2)),
        ):
            pass


def test_trials_may_be_added_and_the_runs_made_longer(tmp_path):
    config = base_config()
    with open_folder(tmp_path, config, TRIALS[:1]):
        pass
    config.training.steps *= 2
    with open_folder(tmp_path, config, TRIALS):
        assert read_trials(tmp_path) == TRIALS


def test_another_sweep_is_refused_and_leaves_the_folder_as_it_is(tmp_path):
    config = base_config()
    with open_folder(tmp_path, config, TRIALS):
        pass
    with (
        pytest.raises(ConfigError, match="1 trials that the space does not have"),
        open_folder(tmp_path, config, TRIALS[:1]),
    ):
        pass
    config.model.hidden_size = 7
    with (
        pytest.raises(ConfigError, match="hidden_size: 128 -> 7"),
        open_folder(tmp_path, config, TRIALS),
    ):
        pass
    assert read_trials(tmp_path) == TRIALS


def test_a_damaged_list_of_trials_is_named(tmp_path):
    (tmp_path / "trials.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(CheckpointError, match=r"trials\.jsonl is not a readable list"):
        read_trials(tmp_path)


def test_what_the_space_says_of_its_ranges_is_kept_for_pictures(tmp_path):
    with open_folder(tmp_path, base_config(), TRIALS, scales={"model.diffusion": "log"}):
        pass
    assert read_sealed(tmp_path / "scales.json") == {"model.diffusion": "log"}


def test_the_table_has_a_line_a_trial_and_a_column_a_field(tmp_path):
    outcomes = {
        TRIALS[0].id: Outcome(True, "done", 20, 2 / 3),
        TRIALS[1].id: Outcome(False, "waiting", 0, None),
    }
    write_table(tmp_path, TRIALS, {trial.id: 20 for trial in TRIALS}, outcomes)
    lines = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert [line.pop("id") for line in lines] == [trial.id for trial in TRIALS]
    assert all(len(line.pop("check")) == 8 for line in lines)
    assert lines[0] == {
        "status": "done",
        "steps": "20",
        "rung": "20",
        "validation_accuracy": str(2 / 3),  # to the last digit: it ranks
        "seed": "0",
        "optimizer.name": "sgd",
        "model.diffusion": "",
    }
    assert lines[1]["validation_accuracy"] == lines[1]["optimizer.name"] == ""


def test_the_default_folder_is_named_by_what_is_run(tmp_path):
    path = tmp_path / "rates.py"
    folder = default_folder(base_config(), path, TRIALS)
    assert folder.name.startswith("sweep-digits-rates-")
    assert folder == default_folder(base_config(), path, TRIALS)
    assert folder != default_folder(base_config(), path, TRIALS[:1])


def test_other_rungs_would_compare_trials_on_other_rows_and_are_refused(tmp_path):
    with open_folder(tmp_path, base_config(), TRIALS, WHOLE, (5,), 3.0):
        pass
    for rungs, reduction in (((6,), 3.0), ((5,), 2.0), ((), 3.0)):
        with (
            pytest.raises(ConfigError, match=r"begun with rungs \[5\] and reduction 3"),
            open_folder(tmp_path, base_config(), TRIALS, WHOLE, rungs, reduction),
        ):
            pass
    with open_folder(tmp_path, base_config(), TRIALS, WHOLE, (5,), 3.0):
        pass


def test_the_workdir_of_a_run_is_no_folder_for_a_sweep_nor_the_reverse(tmp_path):
    (tmp_path / "config.json").write_text(to_json(base_config()))
    (tmp_path / "metrics.jsonl").write_text("")
    with (
        pytest.raises(ConfigError, match="is the workdir of a run"),
        open_folder(tmp_path, base_config(), TRIALS),
    ):
        pass
    with open_folder(tmp_path / "sweep", base_config(), TRIALS):
        pass
    with (
        pytest.raises(ConfigError, match="is the folder of a sweep"),
        open_workdir(tmp_path / "sweep", base_config()),
    ):
        pass
