"""Every way to get the flags wrong: exit code 2 and one line that says what to do."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import flags

from asrnn import command
from asrnn.config import field_table
from asrnn.errors import (
    AsrnnError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    WorkdirInUse,
)
from asrnn.training import devices

ROOT = Path(__file__).parent.parent
DIGITS = f"--config={ROOT / 'configs' / 'digits.py'}"


class Result:
    """Exit code and output of a command."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def refusal(self):
        """The one line of a command that was used wrongly."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def flag_values():
    """absl's flags without those of any command, and as they were when the test is over."""
    known = {
        name: flags.FLAGS[name]
        for name in list(flags.FLAGS)
        if (flags.FLAGS.find_module_defining_flag(name) or "").split(".")[0] != "absl"
    }
    for name in known:
        delattr(flags.FLAGS, name)
    before = set(flags.FLAGS)
    yield flags.FLAGS
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)
    for name, flag in known.items():
        flags.FLAGS[name] = flag
    flags.FLAGS.unparse_flags()


@pytest.fixture
def call(flag_values, monkeypatch, capsys, tmp_path):
    """Runs a command as `python -m` does, but in this process and in an empty folder."""

    known = set(flag_values)

    def call(*arguments, name="asrnn.train"):
        for flag in set(flag_values) - known:  # those of an earlier call, and what it gave them
            delattr(flag_values, flag)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.setattr(devices, "split_cpu_into_cores", lambda: None)  # jax runs already
        for module in (name, "config_config"):  # the latter is the config file of ml_collections
            monkeypatch.delitem(sys.modules, module, raising=False)
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return Result(code, *capsys.readouterr())

    return call


def config_file(folder, text):
    """The flag for a config file with this text."""
    path = folder / "file.py"
    path.write_text(text)
    return f"--config={path}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # Names that do not exist.
        ([DIGITS, "--config.optimizer.learning_rte=.1"], ["learning_rate", "learning_rte"]),
        ([DIGITS, "--config.optimzer.learning_rate=.1"], ["optimizer"]),
        ([DIGITS, "--config.sed=1"], ["seed"]),
        ([DIGITS, "--wrkdir=here"], ["wrkdir", "workdir"]),
        (["--confg=configs/digits.py"], ["confg", "config"]),
        ([DIGITS + ":qick"], ["qick", "quick"]),
        ([DIGITS + ":quick,gatd"], ["gatd", "gated"]),
        ([DIGITS, "--config.optimizer.lr=0.1"], ["'optimizer.lr'", "has name, learning_rate, sch"]),
        ([DIGITS, "--config.zzz.lr=0.1"], ["'zzz.lr'", "there are model, ", "task, training"]),
        ([DIGITS, "--config.zzz=0.1"], ["'zzz'", "there are model, ", "task, training"]),
        ([DIGITS, "--config.optimizer=adam"], ["did you mean --config.optimizer.name=adam?"]),
        ([DIGITS, "--config.model=lstm"], ["did you mean --config.model.cell=lstm? It has cell,"]),
        ([DIGITS, "--config.training=5"], ["did you mean --config.training.batch_size=5? It has"]),
        ([DIGITS, "--learning_rate=0.1"], ["did you mean --config.optimizer.learning_rate=0.1?"]),
        ([DIGITS, "--model.cell=lstm"], ["did you mean --config.model.cell=lstm?"]),
        (["configs/digits.py"], ["did you mean --config=configs/digits.py?"]),
        (["configs/digits.py:quick"], ["did you mean --config=configs/digits.py:quick?"]),
        ([DIGITS, "hidden_size=5"], ["did you mean --config.model.hidden_size=5?"]),
        ([DIGITS, "seed=5"], ["did you mean --config.seed=5?"]),
        # Values that cannot be read.
        ([DIGITS, "--config.model.hidden_size=1e-3"], ["hidden_size", "1e-3"]),
        ([DIGITS, "--config.model.hidden_size=64.0"], ["hidden_size", "64.0"]),
        ([DIGITS, "--config.optimizer.learning_rate=abc"], ["learning_rate", "abc"]),
        ([DIGITS, "--config.recurrence.remat=maybe"], ["remat", "maybe"]),
        ([DIGITS, "--config.optimizer=sgd"], ["optimizer", "sgd"]),
        ([DIGITS, "--dry_run=perhaps"], ["dry_run", "perhaps"]),
        ([DIGITS, "--config.seed"], ["seed"]),
        # Values that can be read and not used.
        ([DIGITS, "--dry_run", "--config.optimizer.learning_rate=nan"], ["learning_rate", "nan"]),
        ([DIGITS, "--dry_run", "--config.model.step_size=inf"], ["step_size", "inf"]),
        ([DIGITS, "--dry_run", "--config.model.hidden_size=-1"], ["hidden_size", "-1"]),
        ([DIGITS, "--dry_run", "--config.training.steps=" + "9" * 20], ["training.steps"]),
        ([DIGITS, "--config.optimizer.learning_rate=nan"], ["learning_rate", "nan"]),
        ([DIGITS, "--config.training.batch_size=0"], ["batch_size"]),
        ([DIGITS, "--config.model.cell=antisymetric"], ["antisymetric", "antisymmetric"]),
        ([DIGITS, "--config.task.name=mnits"], ["mnits", "mnist"]),
        ([DIGITS, "--config.task.source=tfds"], ["tfds", "bundled"]),
        # Flags that mean nothing without another.
        ([DIGITS, "--process_id=0"], ["--process_id", "--distributed"]),
        ([DIGITS, "--distributed", "--num_processes=2"], ["--process_id", "all three"]),
        ([DIGITS, "--num_processes=two"], ["num_processes", "two"]),
        # Arguments in the wrong form or order.
        ([DIGITS, "config.model.hidden_size=5"], ["--config.model.hidden_size=5"]),
        ([DIGITS, "hidden_size=5"], ["hidden_size=5"]),
        ([DIGITS, "train"], ["train"]),
        (["--config.seed=1", DIGITS], ["config.seed"]),
        (["--config"], ["config"]),
        pytest.param(
            ["--flagfile=missing.txt"],
            ["missing.txt"],
        ),
        # Config files that are not there or not config files.
        ([], ["--config=configs/digits.py"]),
        (["--config="], ["config"]),
        (["--config=missing.py"], ["no config file missing.py"]),
        ([DIGITS.replace("digits", "digit")], ["digit.py", "did you mean", "digits.py"]),
        (["--config=missing.py", "--config.seed=1"], ["missing.py"]),
        (["--config=."], ["config"]),
    ],
    ids=lambda value: " ".join(Path(word).name for word in value) or "nothing",
)
def test_a_wrong_flag_ends_in_one_line_and_code_2(call, arguments, words):
    line = call(*arguments).refusal()
    assert line.startswith("asrnn.train: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x = 1\n", "get_config"),
        pytest.param(
            "def get_config(:\n",
            "file.py",
        ),
        ("import no_such_module_anywhere\n", "no_such_module_anywhere"),
        ("def get_config(): return undefined\n", "undefined"),
        ("def get_config(): return 3\n", "ConfigDict"),
        ("def get_config(): return None\n", "config"),
        pytest.param(
            "def get_config(): raise ValueError('two\\nlines')\n",
            "two lines",
        ),
        ("def get_config(): return {}['key']\n", "key"),
        ("def get_config(): return [][0]\n", "index"),
        ("def get_config(): return 1 / 0\n", "division"),
        ("def get_config(): assert False, 'assured'\n", "assured"),
        ("def get_config(): raise RuntimeError('tired')\n", "tired"),
        ("import sys\nsys.exit(7)\n", "SystemExit: 7"),
        ("def get_config(): raise SystemExit(0)\n", "SystemExit: 0"),
        (
            "from ml_collections import ConfigDict as C\ndef get_config(): return C()\n",
            "is missing",
        ),
        (
            "from ml_collections.config_dict import required_placeholder\n"
            "from asrnn.config import base_config\n"
            "def get_config():\n"
            "    config = base_config()\n"
            "    del config.task.data_dir\n"
            "    config.task.data_dir = required_placeholder(str)\n"
            "    return config\n",
            "required",
        ),
    ],
    ids=lambda value: value.strip().splitlines()[-1].strip(),
)
def test_a_faulty_config_file_ends_in_one_line_and_code_2(call, tmp_path, text, word):
    assert word in call(config_file(tmp_path, text), "--dry_run").refusal()


def test_a_config_file_without_variants_needs_no_argument(call, tmp_path):
    text = "from asrnn.config import base_config\ndef get_config(): return base_config()\n"
    result = call(config_file(tmp_path, text), "--dry_run", "--config.recurrence.backend=scan")
    assert (result.code, result.err) == (0, "")


def test_a_folder_in_the_place_of_a_flag_is_taken_for_a_workdir(call, tmp_path):
    (tmp_path / "run").mkdir()
    line = call("run", name="asrnn.evaluate").refusal()
    assert "did you mean --workdir=run?" in line


def test_a_config_file_without_get_config_is_not_called_an_unknown_field(call, tmp_path):
    line = call(config_file(tmp_path, "x = 1\n"), "--dry_run").refusal()
    assert "unknown config field" not in line


def test_an_argument_for_a_config_file_without_variants_is_refused(call, tmp_path):
    text = "from asrnn.config import base_config\ndef get_config(): return base_config()\n"
    assert "get_config" in call(config_file(tmp_path, text) + ":quick", "--dry_run").refusal()


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


def test_the_help_of_a_command_without_a_config_lists_no_fields(call):
    assert "model.step_size" not in call("--help", name="asrnn.evaluate").out


def test_a_flag_that_chooses_another_component_resets_what_the_file_says_for_the_former(call):
    result = call(DIGITS, "--dry_run", "--config.model.cell=lstm")
    assert (result.code, result.err) == (0, "")
    model = json.JSONDecoder().raw_decode(result.out)[0]["model"]
    assert (model["cell"], model["step_size"], model["diffusion"]) == ("lstm", 0.01, 0.01)
    assert model["hidden_size"] == 128


@pytest.mark.parametrize("flag", ["--config.model.diffusion=0.2", "--config.model.diffusion=0.3"])
def test_a_flag_for_another_component_than_the_one_chosen_is_refused(call, flag):
    line = call(DIGITS, "--dry_run", "--config.model.cell=lstm", flag).refusal()
    assert "model.diffusion=0." in line
    assert "is not read by model.cell=lstm" in line


def test_a_whole_number_beyond_the_largest_float_is_refused_in_one_line(call, tmp_path):
    text = "from asrnn.config import base_config\ndef get_config():\n    config = base_config()\n"
    text += "    config.optimizer.update({'learning_rate': 10**400})\n    return config\n"
    assert "float" in call(config_file(tmp_path, text), "--dry_run").refusal()
    rate = "--config.optimizer.learning_rate=1" + "0" * 400
    assert "must be positive and finite, found inf" in call(DIGITS, "--dry_run", rate).refusal()


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("asrnn.evaluate", [], "workdir"),
        ("asrnn.evaluate", ["--workdir=missing"], "missing"),
        ("asrnn.evaluate", ["--workdir=missing", "--split=tset"], "test"),
        ("asrnn.evaluate", ["missing"], "missing"),
        ("asrnn.prepare", [], "task"),
        ("asrnn.prepare", ["--task=mnits", "--data_dir=here"], "mnist"),
        ("asrnn.prepare", ["--task=mnist"], "data_dir"),
    ],
)
def test_the_other_commands_refuse_in_one_line_too(call, name, arguments, word):
    line = call(*arguments, name=name).refusal()
    assert line.startswith(f"{name}: ")
    assert word in line


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]
)
@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("asrnn.train", "jax"),
        ("asrnn.evaluate", "jax"),
        ("asrnn.evaluate", "absl"),  # of what the commands need, the first
    ],
)
def test_a_signal_while_libraries_are_imported_ends_in_one_line_and_code_75(
    tmp_path, name, library, number
):
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
    said = f"stopped by {number.name}; what was saved is kept, run the same command again"
    assert err == f"{name}: {said}\n"


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


SWEEP = ("asrnn.sweep", DIGITS, f"--space={ROOT / 'experiments' / 'spaces' / 'digits.py'}")


@pytest.mark.parametrize(
    ("words", "flag", "how"),
    [
        (SWEEP, "--trials=9", "with --search"),
        (SWEEP, "--batch=8", "with --search"),  # also where it is what the default is
        (SWEEP, "--reduction=2", "with --rungs"),
        (SWEEP, "--population_size=2", "with --engine=population"),
        ((*SWEEP, "--engine=population"), "--workers=2", "with --engine=local or ray"),
        (SWEEP, "--ray_address=local", "with --engine=ray"),
        ((*SWEEP, "--engine=population"), "--ray_gpus=1", "with --engine=ray"),
        (("asrnn.train", DIGITS), "--num_processes=2", "with --distributed"),
        (("asrnn.reproduce", "figure1"), "--rows=a", "with table1 or table2"),
        (("asrnn.reproduce", "figure1"), "--quick", "with table1, table2 or spectra"),
        (("asrnn.reproduce", "spectra"), "--runs=here", "with table1 or table2"),
        (("asrnn.reproduce", "table1", "--norun"), "--workers=2", "without --norun"),
        (("asrnn.reproduce", "table1", "--norun"), "--rows=mnist-gated", "without --norun"),
        (("asrnn.benchmark", "--population=8"), "--scaling", "without --population"),
        (("asrnn.benchmark", "--population=8"), "--work=forward", "without --population"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_flag_that_would_be_ignored_is_refused(call, monkeypatch, words, flag, how):
    monkeypatch.setattr(devices, "leave_accelerators_alone", lambda: None)  # jax runs already
    name, *arguments = words
    line = call(*arguments, flag, name=name).refusal()
    assert line == f"{name}: {flag.partition('=')[0]} can be used only {how}; leave it out\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rungs=5"], "needs --trials=N"),
        (["--trials=2", "--rungs=5"], "goes with neither --rungs nor --shard"),
        (["--trials=2", "--batch=0"], "--batch must be at least 1, found 0"),
    ],
)
def test_the_flags_of_a_search_are_checked_before_optuna_is_missed(
    call, monkeypatch, words, complaint
):
    monkeypatch.setitem(sys.modules, "optuna", None)
    name, *arguments = SWEEP
    result = call(*arguments, "--search=optuna", *words, name=name)
    assert complaint in result.refusal()


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


def test_flags_may_come_from_a_file(call, tmp_path):
    (tmp_path / "flags").write_text(f"{DIGITS}\n--config.seed=5\n--dry_run\n")
    result = call(f"--flagfile={tmp_path / 'flags'}")
    assert (result.code, result.err) == (0, "")
    assert '"seed": 5' in result.out


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


def test_dry_run_counts_parameters_for_which_there_is_no_memory(call):
    result = call(DIGITS, "--dry_run", "--config.model.hidden_size=99999999")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1].split() == ["total", "5,000,001,049,999,999"]


def test_dry_run_checks_the_backend_too(call):
    assert "'scan'" in call(DIGITS, "--dry_run", "--config.recurrence.backend=scn").refusal()


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


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), ([DIGITS, "--config.optimizer.learning_rte=.1"], 2)],
)
def test_a_real_process_leaves_with_the_code(tmp_path, arguments, code):
    done = subprocess.run(
        [sys.executable, "-m", "asrnn.train", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.count("\n") == (code == 2)
