"""Commands run in this process: their exit codes and what they print."""

import runpy
import sys
from pathlib import Path

import pytest
from absl import flags

from asrnn.training import devices

ROOT = Path(__file__).parents[2]


DIGITS = f"--config={ROOT / 'configs' / 'digits.py'}"


SWEEP = ("asrnn.sweep", DIGITS, f"--space={ROOT / 'experiments' / 'spaces' / 'digits.py'}")


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
