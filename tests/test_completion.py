"""What a shell offers after words of `asrnn`: asked of the shell itself."""

import shutil
import subprocess

import pytest

from tests.training.runs import REPOSITORY, call

# bash cuts words at = and :, and wants of a word what follows the last of these
BASH = """
source {script}
COMP_LINE={line!r}
COMP_POINT=${{#COMP_LINE}}
read -ra COMP_WORDS <<< "${{COMP_LINE//[=:]/ & }}"
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_asrnn
echo "${{COMPREPLY[@]}}"
"""

CASES = [
    ("asrnn tr", "train"),
    ("asrnn completion z", "zsh"),
    ("asrnn reproduce ta", "table1 table2"),
    ("asrnn train --dry", "--dry_run"),
    ("asrnn train --config=mn", "mnist"),
    ("asrnn train --config=mnist:gated_", "gated_hamiltonian"),
    ("asrnn train --config.model.ce", "--config.model.cell="),
    ("asrnn train --config.model.cell=ls", "lstm"),
    ("asrnn train --config.model.readout=", "last mean every_step"),
    ("asrnn train --config.training.tensorboard=t", "true"),
    ("asrnn sweep --space=pa", "paper"),
    ("asrnn evaluate --split=va", "validation"),
    ("asrnn predict --pretrained=pmnist-a", "pmnist-antisymmetric"),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_configs_variants_fields_and_values(tmp_path):
    script = tmp_path / "script"
    script.write_text(call("__main__", "completion", "bash", cwd=tmp_path).stdout)
    program = "".join(BASH.format(script=script, line=line) for line, _ in CASES)
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [offered for _, offered in CASES], done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_is_one(shell, tmp_path):
    script = call("__main__", "completion", shell, cwd=tmp_path)
    assert script.returncode == 0, script.stderr
    for word in ("mnist:gated", "config.optimizer.learning_rate", "table1", "gated_lipschitz"):
        assert word in script.stdout
    if shutil.which(shell):
        parsed = subprocess.run([shell, "-n"], input=script.stdout, text=True, check=False)
        assert parsed.returncode == 0


def test_a_shell_that_is_not_known_is_refused(tmp_path):
    refused = call("__main__", "completion", "tcsh", cwd=REPOSITORY)
    assert refused.returncode == 2
    assert "must be one of bash, zsh, fish; found 'tcsh'" in refused.stderr
