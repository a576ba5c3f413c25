"""How a command ends: its exit code, and one line or a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asrnn import command
from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    WorkdirInUse,
)
from tests.command.calls import DIGITS, ROOT


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]
)
@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("asrnn.train", "jax"),
        ("asrnn.evaluate", "absl"),  # of what the commands need, the first
    ],
)
def test_a_signal_while_libraries_are_imported_ends_in_one_line_and_code_75(
    tmp_path, name, library, number
):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as nohup has it")
    body = "import time\nopen('importing', 'w').close()\ntime.sleep(60)\n"
    (tmp_path / f"{library}.py").write_text(body)
    process = subprocess.Popen(
        [sys.executable, "-m", name, *([DIGITS] if name == "asrnn.train" else [])],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "importing").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 75
    said = f"stopped by {number.name}; run the same command again"
    assert err == f"{name}: loading jax\n" * (library == "jax") + f"{name}: {said}\n"


def test_a_process_that_is_no_command_keeps_its_signals(tmp_path):
    (tmp_path / "other.py").write_text(
        "import signal, sys\n"
        "before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)\n"
        "import asrnn\n"
        "assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))\n"
    )
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import other\n")  # sys.argv[0] is "-m" here
    (tmp_path / "package" / "main.py").touch()
    for arguments in (["other.py", "-m", "asrnn.train"], ["-m", "package.main"]):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            check=False,
        )
        assert done.returncode == 0


def test_a_command_leaves_signals_as_they_were(flag_values):
    def main():
        assert signal.getsignal(signal.SIGTERM) is not before

    before = signal.getsignal(signal.SIGTERM)
    command.run(main, ["asrnn.some"])
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError, 2),
        (DataError, 3),
        (DivergedError, 4),
        (CheckpointError, 5),
        (WorkdirInUse, 6),
        (Interrupted, 75),
    ],
)
def test_a_foreseeable_failure_ends_with_its_code_and_one_line(flag_values, capsys, error, code):
    def main():
        raise error("what was wrong; what to do")

    with pytest.raises(SystemExit) as stop:
        command.run(main, ["asrnn.some"])
    assert stop.value.code == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.endswith(": what was wrong; what to do\n")


def test_every_foreseeable_failure_has_a_code_of_its_own():
    codes = [kind.exit_code for kind in AsrnnError.__subclasses__()]
    assert sorted(codes) == [2, 3, 4, 5, 6, 75]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9 PiB"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating\n9 bytes."),  # as XLA says it
    ],
)
def test_too_little_memory_is_one_line(flag_values, capsys, error):
    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        command.run(main, ["asrnn.some"])
    assert stop.value.code == 2
    line = capsys.readouterr().err
    assert "out of memory" in line and "config.model.hidden_size" in line
    assert line.count("\n") == 1


def test_a_network_for_which_there_is_no_memory_is_refused(call):
    size = "--config.model.hidden_size=9999999"  # the other parameters still have room
    assert "out of memory" in call(DIGITS, size).refusal()


PRINTS = """
import sys
from asrnn.command import run
run(lambda: print("x" * {}), ["asrnn.some"])
"""


@pytest.mark.parametrize("length", [1, 10**6])  # met when stdout is flushed, or already by print
def test_who_has_read_enough_of_the_output_is_told_nothing(length):
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS.format(length)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    assert said == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("length", [1, 10**6])
def test_output_to_a_full_disk_ends_in_one_line_and_code_5(length):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS.format(length)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr == "asrnn: cannot write the output: the disk is full; free some space\n"


def test_another_error_of_the_system_keeps_its_traceback(flag_values):
    def main():
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        command.run(main, ["asrnn.some"])


def test_a_defect_keeps_its_traceback(flag_values):
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command.run(main, ["asrnn.some"])


def test_a_command_that_succeeds_returns(flag_values):
    done = []
    command.run(lambda: done.append(True), ["asrnn.some"])
    assert done == [True]


def test_a_real_process_leaves_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "asrnn.train", DIGITS, "--config.optimizer.learning_rte=.1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
