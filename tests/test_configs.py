"""Every file in configs/: it loads, it locks, every variant builds, and it says what is true."""

import importlib.util
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from asrnn.config import check_config, default_workdir, to_json
from asrnn.models import num_parameters
from asrnn.shipped import CONFIGS, find, variants
from asrnn.tasks import TASKS
from asrnn.training.experiment import make_experiment, parameter_table

FOLDER = Path(__file__).parent.parent / "configs"
FILES = sorted(FOLDER.glob("*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_npz(folder, variant):
    """A file of the targets that a variant of configs/npz.py is for."""
    targets = {
        "real": np.zeros(20),
        "every_step": np.arange(100).reshape(20, 5) % 2,
    }.get(variant, np.arange(20) % 2)
    np.savez(folder / "data.npz", inputs=np.zeros((20, 5, 3)), targets=targets)
    return folder / "data.npz"


IN_PAPERS = {
    ("mnist", ""): 9_674,
    ("mnist", "gated"): 9_930,
    ("mnist", "lstm"): 67_850,
    ("mnist", "lipschitz"): 34_314,
    ("mnist", "cornn"): 134_154,
    ("mnist", "lem"): 68_362,
    ("pmnist", "lipschitz"): 34_314,
    ("pmnist", "cornn"): 134_154,
    ("pmnist", "unicornn"): 136_202,
    ("pmnist", "lem"): 68_362,
    ("pmnist", ""): 9_674,
    ("pmnist", "gated"): 9_930,
    ("pmnist", "lstm"): 67_850,
    ("cifar10", ""): 36_234,
    ("cifar10", "gated"): 37_258,
    ("cifar10", "ablation"): 41_954,
    ("cifar10", "lstm"): 68_874,
    ("noise_padded_cifar10", ""): 60_042,
    ("noise_padded_cifar10", "gated"): 84_874,
    ("noise_padded_cifar10", "ablation"): 78_410,
    ("noise_padded_cifar10", "lstm"): 116_490,
}
"""How many parameters the networks of the papers' tables have, by file and variant."""

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
every_variant = pytest.mark.parametrize(
    ("path", "variant"),
    [(path, variant) for path in FILES for variant in ("", *load(path).VARIANTS)],
    ids=lambda value: value.stem if isinstance(value, Path) else value or "plain",
)


def test_every_task_has_its_file():
    assert {path.stem for path in FILES} == set(TASKS)


def test_the_variants_are_read_without_running_the_file():
    assert {path.stem: variants(path.stem) for path in FILES} == {
        path.stem: list(load(path).VARIANTS) for path in FILES
    }


@every_variant
def test_a_variant_builds_an_experiment_without_other_data(path, variant, tmp_path):
    config = load(path).get_config(variant)
    if path.stem == "npz":
        config.task.data_dir = str(write_npz(tmp_path, variant))
    config.lock()
    check_config(config)
    assert config.task.name == path.stem
    experiment = make_experiment(config)
    total = num_parameters(experiment.initial_params)
    assert total == IN_PAPERS.get((path.stem, variant), total)
    assert f"{total:,}" in parameter_table(experiment.initial_params).splitlines()[-1]
    assert json.loads(to_json(config)) == config.to_dict()


@every_file
def test_variants_differ_from_the_plain_config_and_from_each_other(path):
    module = load(path)
    workdirs = [default_workdir(module.get_config(name)) for name in ("", *module.VARIANTS)]
    assert len(set(workdirs)) == len(workdirs)


@every_file
def test_the_plain_config_is_the_one_without_an_argument(path):
    module = load(path)
    assert module.get_config().to_dict() == module.get_config("").to_dict()


@every_file
def test_variants_do_not_leak_into_the_next_config(path):
    module = load(path)
    plain = to_json(module.get_config())
    for name in module.VARIANTS:
        module.get_config(name)
    assert to_json(module.get_config()) == plain


@every_file
def test_the_text_of_a_file_names_its_variants_and_its_command(path):
    module = load(path)
    listed = re.search(r"Variants, .*?: (.*?)\.", module.__doc__, re.DOTALL)[1]
    assert listed.replace("\n", " ").split(", ") == list(module.VARIANTS)
    assert f"python -m asrnn.train --config=configs/{path.name}" in module.__doc__


def test_every_size_of_a_paper_is_that_of_a_variant():
    assert all(
        variant in ("", *load(FOLDER / f"{stem}.py").VARIANTS) for stem, variant in IN_PAPERS
    )


def test_the_seed_decides_the_initial_parameters():
    configs = [load(FOLDER / "digits.py").get_config() for _ in range(3)]
    configs[2].seed = 1
    one, same, other = (
        jax.device_get(make_experiment(config).initial_params["recurrent"]["input_kernel"])
        for config in configs
    )
    assert (one == same).all()
    assert (one != other).all()


def test_a_folder_of_the_name_of_a_config_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert find("mnist", CONFIGS, "config") == str(CONFIGS / "mnist.py")
