"""What a command prints without doing its work: help, and the config of a dry run."""

import pytest

from asrnn import signals
from asrnn.__main__ import commands
from asrnn.config import field_table
from tests.command.calls import DIGITS, ROOT


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
@pytest.mark.parametrize("name", ["asrnn.train", "asrnn.evaluate", "asrnn.prepare"])
def test_help_is_printed_and_is_no_error(call, name, flag):
    result = call(flag, name=name)
    assert (result.code, result.err) == (0, "")
    assert f"python -m {name} --" in result.out
    assert "--workdir" in result.out or "--data_dir" in result.out


@pytest.mark.parametrize("name", ["asrnn.train", "asrnn.sweep"])
def test_the_help_of_a_command_with_a_config_lists_its_fields(call, name):
    assert call("--help", name=name).out.endswith(f"\n{field_table()}\n")


def test_the_help_of_a_command_with_a_config_lists_those_that_ship(call):
    text = call("--help", name="asrnn.train").out
    assert "\n  digits                Handwritten digits, 8x8" in text
    assert " :gated :lstm :ablation " in text


def test_the_help_of_a_command_without_a_config_lists_no_fields(call):
    assert "optimizer.learning_rate" not in call("--help", name="asrnn.evaluate").out


def test_dry_run_prints_the_resolved_config_and_the_parameters_and_writes_nothing(call, tmp_path):
    result = call(
        DIGITS + ":gated",
        "--dry_run",
        "--config.model.hidden_size",
        "16",
        "--config.seed=3",
        "--config.seed=4",  # the last one holds
        "--config.recurrence.backend=scan",
    )
    assert (result.code, result.err) == (0, "")
    for text in ('"hidden_size": 16', '"cell": "gated_antisymmetric"', '"seed": 4', "total"):
        assert text in result.out
    assert f"{16 * 15 // 2 + 2 * 32 + 170:,}" in result.out.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_dry_run_needs_no_data(call):
    mnist = f"--config={ROOT / 'configs' / 'mnist.py'}"
    result = call(mnist, "--dry_run", "--config.recurrence.backend=scan")
    assert result.code == 0
    assert "9,674" in result.out


@pytest.mark.parametrize("given", [[DIGITS], ["--config", DIGITS.removeprefix("--config=")]])
def test_fields_may_be_set_before_the_config_that_has_them(call, given):
    result = call("--config.seed=5", "--dry_run", *given, "--config.training.steps=7")
    assert (result.code, result.err) == (0, "")
    assert '"seed": 5' in result.out
    assert '"steps": 7' in result.out


def test_flags_may_come_from_a_file(call, tmp_path):
    (tmp_path / "flags").write_text(f"{DIGITS}\n--config.seed=5\n--dry_run\n")
    result = call(f"--flagfile={tmp_path / 'flags'}")
    assert (result.code, result.err) == (0, "")
    assert '"seed": 5' in result.out


def test_dry_run_counts_parameters_for_which_there_is_no_memory(call):
    result = call(DIGITS, "--dry_run", "--config.model.hidden_size=99999999")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1].split() == ["total", "5,000,001,049,999,999"]


def test_dry_run_checks_the_backend_too(call):
    assert "'scan'" in call(DIGITS, "--dry_run", "--config.recurrence.backend=scn").refusal()


@pytest.mark.parametrize("name", commands())
def test_the_help_of_every_command_fits_80_columns(call, monkeypatch, name):
    for called in ("", f"asrnn {name}"):  # "python -m asrnn.train", "asrnn train"
        monkeypatch.setattr(signals, "_name", called)
        text = call("--help", name=f"asrnn.{name}").out
        assert "\nFlags:" in text
        assert [line for line in text.splitlines() if len(line) > 80] == []
