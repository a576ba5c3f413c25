"""A space file is Python with get_space(h); those of the repository give the trials they say."""

import random
from pathlib import Path

import pytest

from asrnn.config import base_config
from asrnn.errors import ConfigError
from asrnn.sweeps.space import expand
from asrnn.sweeps.trials import make_job, make_trials
from asrnn.sweeps.user_file import read_space

SPACES = sorted((Path(__file__).parents[2] / "experiments" / "spaces").glob("*.py"))


def test_a_file_may_use_all_of_the_language(tmp_path):
    path = tmp_path / "space.py"
    path.write_text(
        "def get_space(h):\n    return h.product(h.seeds(2), h.fixed('task.name', 'x'))"
    )
    assert len(expand(read_space(path), 0)) == 2


@pytest.mark.parametrize("number", [30, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_trials_of_the_repositorys_spaces_have_usable_configs(path, number):
    """Some of them, drawn at random, and all when there is time."""
    trials = make_trials(expand(read_space(path), 0))
    assert len(trials) >= 8
    for trial in random.Random(0).sample(trials, min(number or len(trials), len(trials))):
        make_job(base_config(), trial, Path())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "def get_space(h):\n    return h.sweap('a', [1])",
            r"line 2 .*sweap.*did you mean 'sweep'\?",
        ),
        ("def get_space(h):\n    return h.swep('a', [1])", r"did you mean 'sweep'\?"),
        ("import math\n\nmath.sqrt(-1)\n", r"line 3 \(ValueError: math domain error\)"),
        ("def get_space(h):\n    x = [1]\n    return x[\n        5]", "line 3 .IndexError"),
        ("{}\n", r"no function get_space\(h\)"),
        ("", r"no function get_space\(h\)"),
        ("a\0b", r"null bytes\)$"),
        ("def get_space(h):\n    return [1]", "found list"),
        ("def get_space(h):\n    return {}['seed']", "line 2 .KeyError: 'seed'"),
        ("def get_spaces(h):\n    pass", r"no function get_space\(h\)"),
        ("def get_space(h)\n    pass", r"line 1 \(SyntaxError: expected ':'\)"),
        ("def get_space(h):\n    return h.sweep('a', [])", "over no value"),
        ("import sys\nsys.exit(7)", "SystemExit: 7"),
        ("def get_space(h):\n    raise SystemExit", "SystemExit"),
    ],
)
def test_a_file_that_fails_is_refused_in_one_line(text, complaint, tmp_path):
    path = tmp_path / "space.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_space(path)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"is a folder; .* get_space\(h\)"):
        read_space(tmp_path)


def test_a_missing_file_says_where_there_are_some():
    with pytest.raises(ConfigError, match="paper ship with asrnn"):
        read_space(Path("nowhere.py"))
