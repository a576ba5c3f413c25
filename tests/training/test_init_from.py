"""Runs that start from the parameters of another, and the curriculum that this makes possible."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from asrnn import pretrained
from asrnn.config import default_workdir
from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.checkpoints import flat_leaves
from asrnn.runs.provenance import sha256_of
from asrnn.runs.workdir import read_config
from asrnn.sweeps.sweep import Sweep, dry_run
from asrnn.sweeps.trials import Trial
from asrnn.trained import export, load
from asrnn.training.experiment import make_experiment
from asrnn.training.loop import train_and_evaluate
from asrnn.training.saved import at_the_start
from tests.sweeps.populations import assert_close, make_jobs
from tests.sweeps.populations import run as run_population
from tests.training.runs import (
    arrays,
    assert_same_run,
    rows,
    steps_kept,
    stop,
    summary,
    tiny_config,
)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("teacher")
    train_and_evaluate(tiny_config(training__steps=14, optimizer__learning_rate=0.05), workdir)
    return workdir


def later(source: Path | str, **changes: Any) -> ConfigDict:
    """A run with another seed and scheme, which are free to differ."""
    fields = {"seed": 3, "model__discretization": "midpoint", "training__init_from": str(source)}
    return tiny_config(**fields | changes)


def initial_params(config: ConfigDict, workdir: Path) -> Any:
    return at_the_start(make_experiment(config), workdir).initial_params


def test_the_first_parameters_are_those_of_the_best_checkpoint(
    teacher: Path, tmp_path: Path
) -> None:
    network = load(teacher)
    found = initial_params(later(teacher), tmp_path)
    assert arrays(found) == arrays(network.params)
    assert arrays(found) != arrays(make_experiment(later(teacher)).initial_params)


def test_the_average_of_the_parameters_is_what_a_run_is_started_from(tmp_path: Path) -> None:
    """It is what the other run was judged by."""
    train_and_evaluate(tiny_config(optimizer__ema_decay=0.9), tmp_path / "teacher")
    found = initial_params(later(tmp_path / "teacher"), tmp_path / "new")
    assert arrays(found) == arrays(load(tmp_path / "teacher").params)


def test_a_network_that_ships_is_found_by_its_name(tmp_path: Path) -> None:
    config = load("mnist-gated").config
    config.training.init_from = "mnist-gated"
    found = at_the_start(make_experiment(config), tmp_path)
    assert arrays(found.initial_params) == arrays(load("mnist-gated").params)
    assert found.init_from is not None and found.init_from["network"] == "mnist-gated"


def test_a_run_goes_on_learning_where_the_other_ended(teacher: Path, tmp_path: Path) -> None:
    train_and_evaluate(later(teacher, model__discretization="euler"), tmp_path / "later")
    train_and_evaluate(later("", model__discretization="euler"), tmp_path / "new")
    first, drawn = (rows(tmp_path / name)[0] for name in ("later", "new"))
    last = [row for row in rows(teacher) if row["split"] == "train"][-1]
    assert first["loss"] < 1.1 * last["loss"] < drawn["loss"]


def test_the_summary_says_whose_parameters_they_were(teacher: Path, tmp_path: Path) -> None:
    train_and_evaluate(later(teacher), tmp_path / "later")
    network = load(teacher)
    digest = sha256_of(jax.device_get(flat_leaves(network.params)))
    expected = {"network": str(teacher), "step": network.step, "sha256": digest}
    assert summary(tmp_path / "later")["init_from"] == expected
    assert summary(teacher)["init_from"] is None


def test_a_resumed_run_no_longer_needs_the_other(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "teacher"
    shutil.copytree(teacher, source)
    config = later(source)
    train_and_evaluate(config, tmp_path / "whole")
    stop(monkeypatch, tmp_path / "resumed", config, step=6)
    shutil.rmtree(source)
    train_and_evaluate(config, tmp_path / "resumed")
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")


def test_an_exported_config_names_no_folder_of_this_machine(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    train_and_evaluate(later(teacher), tmp_path / "later")
    facts = json.loads(export(tmp_path / "later", "y", "command").with_suffix(".json").read_text())
    assert str(teacher) not in json.dumps(facts)
    assert facts["config"]["training"]["init_from"] == ""
    assert facts["init_from"]["network"] == teacher.name


def test_a_longer_sequence_may_be_next(tmp_path: Path) -> None:
    """The curriculum: the same network, a task with more steps."""
    fields = {
        "task__name": "adding",
        "task__source": "generated",
        "objective__name": "squared_error",
    }
    short = tiny_config(**fields, task__length=5)
    train_and_evaluate(short, tmp_path / "short")
    long = tiny_config(**fields, task__length=9, training__init_from=str(tmp_path / "short"))
    train_and_evaluate(long, tmp_path / "long")
    assert summary(tmp_path / "long")["status"] == "done"


def test_members_of_a_population_start_from_networks_of_their_own(
    teacher: Path, tmp_path: Path
) -> None:
    members: tuple[dict[str, Any], ...] = (
        {"training__init_from": str(teacher)},
        {"seed": 1},
        {"seed": 2, "training__init_from": str(teacher)},
    )
    jobs = make_jobs(tmp_path, members)
    run_population(jobs)
    for i, job in enumerate(jobs):
        train_and_evaluate(job.config, tmp_path / "alone" / str(i))
        assert_close(job.workdir, tmp_path / "alone" / str(i))
    named = [summary(job.workdir)["init_from"] is not None for job in jobs]
    assert named == [True, False, True]


def test_a_finished_run_needs_the_other_no_more(teacher: Path, tmp_path: Path) -> None:
    source = tmp_path / "teacher"
    shutil.copytree(teacher, source)
    done = train_and_evaluate(later(source), tmp_path / "later")
    shutil.rmtree(source)
    assert train_and_evaluate(later(source), tmp_path / "later") == done
    assert load(tmp_path / "later").evaluate()["accuracy"] == done["test_accuracy"]


def test_the_folder_of_the_other_may_be_moved(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same run by its name; which parameters they were is in the checkpoints."""
    monkeypatch.chdir(teacher.parent)
    config = later(f"./{teacher.name}/")
    assert default_workdir(config) == default_workdir(later(teacher.name))
    assert default_workdir(config) != default_workdir(later(""))
    stop(monkeypatch, tmp_path / "run", config, step=6)
    found = train_and_evaluate(later(teacher), tmp_path / "run")
    assert found["init_from"]["network"] == f"./{teacher.name}/"
    with pytest.raises(ConfigError, match=r"training\.init_from: .* -> another"):
        train_and_evaluate(later("another"), tmp_path / "run")


def test_a_network_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "antisymmetric"
    config = read_config(golden / "config.json")
    config.training.init_from = str(golden)
    assert arrays(initial_params(config, tmp_path)) == arrays(load(golden).params)


def test_only_arrays_are_read_of_the_other(tmp_path: Path) -> None:
    """Its data may be gone, and its config may ask for what is not here."""
    generator = np.random.default_rng(0)
    data = {"inputs": generator.normal(size=(300, 5, 1)), "targets": np.arange(300) % 10}
    np.savez(tmp_path / "own.npz", **data)
    fields = {
        "task__name": "npz",
        "task__source": "npz",
        "task__data_dir": str(tmp_path / "own.npz"),
    }
    config = tiny_config(**fields, task__test_size=50, training__batch_size=50)
    train_and_evaluate(config, tmp_path / "teacher")
    (tmp_path / "own.npz").unlink()
    origin = at_the_start(make_experiment(later(tmp_path / "teacher")), tmp_path / "new").init_from
    assert origin is not None and origin["step"] in (7, 12)


@pytest.mark.parametrize(
    ("changes", "told"), [({}, True), ({"seed": 0}, False), ({"task__validation_size": 0}, False)]
)
def test_examples_that_the_other_may_have_seen_are_told_of(
    changes: dict[str, Any],
    told: bool,
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    initial_params(later(teacher, **changes), tmp_path)
    assert (
        "may have been trained on examples that validate here" in capsys.readouterr().err
    ) == told


def test_a_run_that_is_not_finished_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(monkeypatch, tmp_path / "teacher", tiny_config(), step=6)
    initial_params(later(tmp_path / "teacher", seed=0), tmp_path / "new")
    assert "is not finished; taking its best so far" in capsys.readouterr().err


def test_a_damaged_best_checkpoint_leaves_the_newest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, wild = tmp_path / "teacher", {"optimizer__learning_rate": 1.0, "training__steps": 20}
    train_and_evaluate(tiny_config(**wild, training__eval_every=2), source)
    best, newest = load(source).step, max(steps_kept(source))
    assert best < newest
    (source / "checkpoints" / f"{best}.json").write_text("{}")
    found = at_the_start(make_experiment(later(source)), tmp_path / "new").init_from
    assert found is not None and found["step"] == newest
    assert f"the best checkpoint, {best}, is damaged; taking the newest" in capsys.readouterr().err


# ---- refused


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"model__hidden_size": 9}, "head.kernel is [8, 10] there and [9, 10] here"),
        ({"model__cell": "linear_antisymmetric"}, "antisymmetric, not linear_antisymmetric"),
        ({"model__num_layers": 2}, " is absent there and ["),
    ],
)
def test_another_network_is_refused_before_anything_is_written(
    changes: dict[str, Any], difference: str, teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        train_and_evaluate(later(teacher, **changes), tmp_path / "new")
    said = str(caught.value)
    assert said.startswith(f"config.training.init_from={teacher} is another network: ")
    assert difference in said and "\n" not in said
    assert not (tmp_path / "new").exists()


def test_a_network_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^config\.training\.init_from: no folder mnist-gatd.*'mn"
    ):
        train_and_evaluate(later("mnist-gatd"), tmp_path / "new")
    with pytest.raises(ConfigError, match=r"^config\.training\.init_from: no folder xxx"):
        train_and_evaluate(later("x" * 300), tmp_path / "new")
    with pytest.raises(ConfigError, match=r"init_from: no folder ~nobody-of-that-name"):
        train_and_evaluate(later("~nobody-of-that-name"), tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ConfigError, match=r"^config\.training\.init_from: .*config\.json not found"
    ):
        train_and_evaluate(later(tmp_path / "empty"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_network_is_refused(teacher: Path, tmp_path: Path) -> None:
    source = tmp_path / "teacher"
    shutil.copytree(teacher, source)
    for manifest in (source / "checkpoints").glob("*.json"):
        manifest.write_text("{}")
    with pytest.raises(
        CheckpointError, match=r"^config\.training\.init_from: every .* is damaged;"
    ):
        train_and_evaluate(later(source), tmp_path / "new")
    shutil.rmtree(source / "checkpoints")
    with pytest.raises(
        ConfigError, match=r"^config\.training\.init_from: .* has no checkpoint yet"
    ):
        train_and_evaluate(later(source), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_dry_run_looks_for_the_network(tmp_path: Path) -> None:
    trial = Trial("000", {"training.init_from": "nowhere"})
    with pytest.raises(ConfigError, match=r"^trial 000: config\.training\.init_from: no folder"):
        dry_run(Sweep(tiny_config(), [trial], tmp_path))
