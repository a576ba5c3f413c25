"""The commands: exit codes, one readable line for what a user can get wrong, clean output."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags

from asrnn import __version__, errors
from asrnn.command import run
from asrnn.config import default_workdir
from tests.command.calls import call as call_here
from tests.command.calls import flag_values
from tests.training.runs import REPOSITORY, call, one_line, write_config

__all__ = ["call_here", "flag_values"]

# ml_collections loads config files in the way of Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

DIGITS = f"--config={REPOSITORY / 'configs' / 'digits.py'}"


class Outcome:
    """What a command of this process left: exit code, stdout and the line on stderr."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def line(self) -> str:
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Calls the train command in this process, with flags of its own.

    What it would train is only noted, as (config, workdir).
    """
    values = flags.FlagValues()
    noted: list[tuple[ConfigDict, Path]] = []
    config = config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    workdir = flags.DEFINE_string("workdir", None, "", flag_values=values)
    dry_run = flags.DEFINE_bool("dry_run", False, "", flag_values=values)
    distributed = flags.DEFINE_bool("distributed", False, "", flag_values=values)
    absent = flags.DEFINE_string("absent", None, "", flag_values=values)
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.chdir(tmp_path)

    from asrnn import train as module

    monkeypatch.setattr(module, "CONFIG", config)
    monkeypatch.setattr(module, "WORKDIR", workdir)
    monkeypatch.setattr(module, "DRY_RUN", dry_run)
    monkeypatch.setattr(module, "DISTRIBUTED", distributed)
    for name in ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID"):
        monkeypatch.setattr(module, name, absent)

    def note(config: ConfigDict, workdir: Path) -> None:
        from asrnn.training.experiment import make_experiment

        scan = config.copy_and_resolve_references()
        scan.recurrence.backend = "scan"  # the others may have to be built first
        make_experiment(scan)
        noted.append((config, workdir))
        raise errors.DataError("far enough")

    monkeypatch.setattr("asrnn.training.loop.train", note)
    monkeypatch.setattr("asrnn.training.devices.split_cpu_into_cores", lambda: None)

    def call_train(*args: str) -> Outcome:
        sys.modules.pop("config_config", None)  # what ml_collections calls each config file
        monkeypatch.setattr(sys, "argv", ["train", *args])  # ml_collections looks there
        with pytest.raises(SystemExit) as leaving:
            run(module.main)
        out, err = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return Outcome(leaving.value.code, out, err)

    call_train.noted = noted  # type: ignore[attr-defined]
    return call_train


# ---- what a user can get wrong


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.learning_rate=nan", "learning_rate must be positive and finite, found nan"),
        ("model.step_size=inf", "step_size must be positive and finite, found inf"),
        ("training.steps=0", r"training.steps must be in \[1, "),
        ("model.cell=antisymetric", "did you mean 'antisymmetric'"),
        ("task.name=digit", "did you mean 'digits'|did you mean digits"),
        ("optimizer.name=adamm", "did you mean 'adam'"),
        ("task.source=files", "data_dir"),
        ("task.source=tfds", "bundled"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_written(
    override: str, words: str, train: Any, tmp_path: Path
) -> None:
    outcome = train(DIGITS, f"--config.{override}")
    assert outcome.code == 2, outcome.err
    assert re.search(words, outcome.line), outcome.line
    assert outcome.out == ""
    assert train.noted == []
    assert list(tmp_path.iterdir()) == []


def test_overrides_reach_the_config(train: Any) -> None:
    outcome = train(DIGITS + ":gated", "--config.seed=5", "--config.model.hidden_size", "9")
    assert outcome.code == 3
    ((config, _),) = train.noted
    assert config.seed == 5
    assert config.model.hidden_size == 9
    assert config.model.cell == "gated_antisymmetric"


def test_without_a_workdir_the_same_command_finds_its_run(train: Any) -> None:
    for _ in range(2):
        train(DIGITS)
    train(DIGITS, "--config.seed=1")
    train(DIGITS, "--workdir=here")
    found = [workdir for _, workdir in train.noted]
    assert found[0] == found[1] == default_workdir(train.noted[0][0])
    assert found[0].parent == Path("runs")
    assert found[0].name.startswith("digits-antisymmetric-")
    assert found[2] != found[0]
    assert found[3] == Path("here")


def test_an_interrupt_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as leaving:
        run(main, ["asrnn"])
    assert leaving.value.code == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


# ---- in processes of their own


def test_train_then_evaluate_from_the_shell(tmp_path: Path, call_here: Any) -> None:
    # On several devices where there are several cores; it is evaluated on one.
    config = write_config(tmp_path, training__batch_size=32)
    trained = call("train", f"--config={config}", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "Warning" not in trained.stderr
    assert trained.stderr.startswith("asrnn.train: loading jax\n")
    (workdir,) = (tmp_path / "runs").iterdir()
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["matmul_precision"] == "highest"
    percent = f"{summary['test_accuracy']:.2%}"
    assert f"{'test accuracy':<20} {percent}" in trained.stdout.splitlines()
    assert f"{'workdir':<20} {Path('runs') / workdir.name}" in trained.stdout.splitlines()
    assert (workdir / "learning_curve.png").read_bytes().startswith(b"\x89PNG")

    again = call("train", f"--config={config}", cwd=tmp_path)
    assert (again.stdout, again.stderr) == (trained.stdout, "")  # not even jax is loaded

    evaluated = call("evaluate", f"--workdir={workdir}", cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.startswith(f"test accuracy {percent}, loss ")
    first, _, head, *rows = evaluated.stdout.splitlines()
    assert first.endswith(f", checkpoint {summary['best_step']}, 355 examples")
    assert head.split()[:2] == ["class", "accuracy"] and len(rows) == 10

    flags = ("--discretization=rk4", "--step_size=0.02")
    out = tmp_path / "predictions.json"
    flags = (*flags, f"--out={out}")
    under = call_here(f"--workdir={workdir}", *flags, name="asrnn.evaluate")
    assert under.code == 0, under.err
    first = under.out.splitlines()[0]
    assert first.endswith(", model.discretization=rk4, model.step_size=0.02")
    written = json.loads(out.read_text())
    assert f"accuracy {written['accuracy']:.2%}," in first
    assert len(written["predictions"]) == len(written["targets"]) == 355

    lost = call_here(f"--workdir={tmp_path / 'none'}", name="asrnn.evaluate")
    assert "config.json not found" in lost.refusal()


def test_the_package_itself_is_all_commands(tmp_path: Path) -> None:
    listed = call("__main__", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    names = re.findall(r"^  asrnn (\w+) +\S", listed.stdout, re.MULTILINE)
    assert {"train", "evaluate", "prepare", "sweep", "reproduce", "completion"} <= set(names)
    assert max(map(len, listed.stdout.splitlines())) < 80
    assert call("__main__", "--version", cwd=tmp_path).stdout == f"asrnn {__version__}\n"

    refused = call("__main__", "trian", "--config=digits", cwd=tmp_path)
    assert refused.returncode == errors.ConfigError.exit_code
    assert "no command 'trian'; did you mean 'train'?" in one_line(refused.stderr, "asrnn: ")


def test_a_command_of_the_package_names_itself_as_it_was_called(tmp_path: Path) -> None:
    helped = call("__main__", "train", "--help", cwd=tmp_path)
    assert "\nasrnn train --config=" in helped.stdout
    assert "asrnn.train" not in helped.stdout
    refused = call("__main__", "train", "--config=digts", cwd=tmp_path)
    assert refused.returncode == errors.ConfigError.exit_code
    said = "asrnn train: no config is called 'digts'; adding, "
    assert refused.stderr.startswith(said) and refused.stderr.endswith("did you mean 'digits'?\n")
