"""No damage to a file of a run, sweep or table passes for a result; found by experiments/damage.py.

The larger campaigns, of which docs/reliability.md has the figures, are among the slow tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asrnn.config import base_config
from asrnn.errors import CheckpointError, ConfigError
from asrnn.files import read_sealed, sealed, unsealed
from asrnn.paper.table_results import read_results
from asrnn.reports.sweep import read_sweep
from asrnn.runs.metrics import count_rows
from asrnn.runs.summary import read_summary
from asrnn.runs.workdir import read_config, write_config
from asrnn.sweeps.folder import read_trials, settle, write_table
from asrnn.sweeps.trials import Job, Outcome, make_trials, outcome
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import CLOCKED, REPOSITORY, environment, summary, tiny_config

TRIALS = make_trials([{"seed": 0, "model.diffusion": 0.25}, {"seed": 1, "model.diffusion": 0.5}])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    workdir = tmp_path_factory.mktemp("done")
    train_and_evaluate(tiny_config(), workdir)
    return workdir


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def replace(path: Path, old: str, new: str) -> None:
    """As a flipped bit changes a digit or a name."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_object_is_as_it_was_sealed_or_refused() -> None:
    values = {"a": 1.5, "b": None}
    assert unsealed(sealed(values)) == unsealed(values) == values
    with pytest.raises(ValueError, match="sha256 does not fit"):
        unsealed(sealed(values) | {"a": 1.25})
    with pytest.raises(ValueError, match="a list and not an object"):
        unsealed([])


def test_a_changed_number_in_a_summary_is_computed_again(run: Path) -> None:
    before = summary(run)
    replace(run / "summary.json", '"test_accuracy": 0.', '"test_accuracy": 0.9')
    assert read_summary(run) is None
    clocked = dict.fromkeys(CLOCKED)
    assert train_and_evaluate(tiny_config(), run) | clocked == before | clocked


def test_a_changed_number_in_a_config_is_refused_wherever_it_is_read(run: Path) -> None:
    replace(run / "config.json", '"step_size": 0.1', '"step_size": 0.3')
    with pytest.raises(CheckpointError, match=r"config\.json .*sha256 does not fit"):
        read_config(run / "config.json")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        train_and_evaluate(tiny_config(model__step_size=0.3), run)


def test_a_config_of_an_earlier_version_has_no_seal(tmp_path: Path) -> None:
    write_config(tmp_path, tiny_config())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(read_sealed(path)))
    assert read_config(path) == tiny_config()


def test_rows_that_a_finished_run_has_lost_are_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))  # cut between two rows, where no line is torn
    before = summary(run)
    after = train_and_evaluate(tiny_config(), run)
    assert "has 2 of 5 rows, the others are gone" in capsys.readouterr().err
    assert after["test_accuracy"] == before["test_accuracy"]
    assert after["rows"] == count_rows(path) == 2
    train_and_evaluate(tiny_config(), run)
    assert "gone" not in capsys.readouterr().err


def test_the_score_of_a_finished_trial_does_not_hang_on_rows(run: Path) -> None:
    job = Job(run, tiny_config())
    score = outcome(job).score
    (run / "metrics.jsonl").unlink()
    assert score is not None
    assert outcome(job).score == score


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """The files of a sweep."""
    settle(tmp_path, base_config(), TRIALS, [20], 3.0, {"model.diffusion": "log"})
    outcomes = {trial.id: Outcome(True, "done", 20, 0.75) for trial in TRIALS}
    write_table(tmp_path, TRIALS, dict.fromkeys(outcomes, 20), outcomes)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sweep.csv", "0.75", "0.85"),
        ("sweep.csv", "model.diffusion", "model.diffusioo"),
        ("sweep.csv", ",check", ",chegk"),
        ("trials.jsonl", "0.25", "0.35"),
        ("scales.json", '"log"', '"lof"'),
    ],
)
def test_a_changed_sweep_is_not_shown(file: str, old: str, new: str, sweep: Path) -> None:
    assert read_sweep(sweep / "sweep.csv", "s").entries[0].values["model.diffusion"] == 0.25
    replace(sweep / file, old, new)
    with pytest.raises(CheckpointError, match=file) as refused:
        read_sweep(sweep / "sweep.csv", "s")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["[]", "3", "{}", '{"rungs": [20]}', '{"rtngs": 1, "reduction": 1}']
)
def test_rungs_that_are_none_are_one_line(text: str, sweep: Path) -> None:
    (sweep / "halving.json").write_text(text)
    with pytest.raises((CheckpointError, ConfigError), match=r"halving\.json") as refused:
        settle(sweep, base_config(), TRIALS, [20], 3.0)
    assert "\n" not in str(refused.value)
    assert read_trials(sweep) == TRIALS


def test_a_changed_number_in_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table1.json"
    row = {"name": "a", "mean": 97.5, "runs": [], "settings": None}
    path.write_text(json.dumps([sealed(row)]))
    assert read_results(path) == {"a": row}
    replace(path, "97.5", "98.5")
    with pytest.raises(CheckpointError, match="not a table of this command"):
        read_results(path)


# ---- campaigns


def campaign(name: str, folder: Path, *flags: str) -> dict[str, Any]:
    """What a campaign found; it fails where anything was wrong."""
    command = [sys.executable, str(REPOSITORY / "experiments" / f"{name}.py"), *flags]
    out = folder / "found.json"
    ended = subprocess.run(
        [*command, f"--out={out}"],
        env=environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.slow
@pytest.mark.ci
def test_three_kills(tmp_path: Path) -> None:
    assert campaign("torture", tmp_path, "--kills=3", "--case=digits")["kills"] == 3


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    assert campaign("torture", tmp_path, "--kills=20")["kills"] >= 20


@pytest.mark.slow
@pytest.mark.ci
def test_twenty_damages_to_a_table(tmp_path: Path) -> None:
    assert campaign("damage", tmp_path, "--damages=20", "--case=table")["damages"] == 20


@pytest.mark.slow
def test_twenty_damages(tmp_path: Path) -> None:
    assert campaign("damage", tmp_path, "--damages=20")["damages"] >= 18


@pytest.mark.slow
def test_senseless_input(tmp_path: Path) -> None:
    assert campaign("fuzz", tmp_path, "--inputs=400")["inputs"] == 400
