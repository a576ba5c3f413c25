"""Every way to get the flags wrong: exit code 2 and one line that says what to do."""

import json
import sys
from pathlib import Path

import pytest

from asrnn.training import devices
from tests.command.calls import DIGITS, SWEEP, config_file


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
        ([DIGITS, "--config.training.init_from=x/y"], ["config.training.init_from: no folder x/y"]),
        ([DIGITS, "--learning_rate=0.1"], ["did you mean --config.optimizer.learning_rate=0.1?"]),
        ([DIGITS, "--model.cell=lstm"], ["did you mean --config.model.cell=lstm?"]),
        (["digits:quick"], ["did you mean --config=digits:quick?"]),
        (["configs/digits.py"], ["did you mean --config=configs/digits.py?"]),
        (["configs/digits.py:quick"], ["did you mean --config=configs/digits.py:quick?"]),
        ([DIGITS, "hidden_size=5"], ["did you mean --config.model.hidden_size=5?"]),
        ([DIGITS, "seed=5"], ["did you mean --config.seed=5?"]),
        # Values that cannot be read.
        ([DIGITS, "--config.model.hidden_size=1e-3"], ["hidden_size", "1e-3"]),
        ([DIGITS, "--config.model.hidden_size=64.0"], ["hidden_size", "64.0"]),
        ([DIGITS, "--config.training.steps=abc"], ["steps=abc: must be a whole number, found"]),
        ([DIGITS, "--config.optimizer.learning_rate=abc"], ["rate=abc: must be a number, found"]),
        ([DIGITS, "--config.training.wandb=abc"], ["wandb=abc: must be true or false, found"]),
        ([DIGITS, "--config.seed=" + "9" * 5000], ["has too many digits"]),
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
        ([DIGITS, "--num_processes=two"], ["num_processes=two: must be a whole number"]),
        # Arguments in the wrong form or order.
        ([DIGITS, "config.model.hidden_size=5"], ["--config.model.hidden_size=5"]),
        ([DIGITS, "hidden_size=5"], ["hidden_size=5"]),
        ([DIGITS, "train"], ["train"]),
        (["--config"], ["config"]),
        pytest.param(
            ["--flagfile=missing.txt"],
            ["missing.txt"],
        ),
        # Config files that are not there or not config files.
        ([], ["--config=digits"]),
        (["--config="], ["config"]),
        (["--config=missing.py"], ["no config file missing.py", "digits, ", " ship with asrnn"]),
        (["--config=configs/mnist.py"], ["no config file configs/mnist.py; ", "mean 'mnist'?"]),
        (["--config=mnits:gated"], ["no config is called 'mnits'", "did you mean 'mnist'"]),
        (["--config=mnist:gatd"], ["gatd", "gated"]),
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
        (("asrnn.reproduce", "figure1"), "--rows=a", "with a table"),
        (("asrnn.reproduce", "figure1"), "--quick", "with a table, spectra or phase"),
        (("asrnn.reproduce", "spectra"), "--runs=here", "with a table"),
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
        (["--trials=2", "--shard=0/2"], "cannot be combined with --shard"),
        (["--trials=2", "--rungs=5", "--prune"], "--prune cannot be combined with --rungs"),
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
