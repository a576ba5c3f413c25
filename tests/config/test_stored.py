"""A config as JSON: the round trip, damage, and configs of earlier versions."""

import json
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from asrnn.config import (
    IN_EVERY_VERSION,
    base_config,
    check_config,
    completed,
    default_workdir,
    flatten,
    to_json,
)
from asrnn.errors import CheckpointError, ConfigError
from asrnn.options import FRACTION
from asrnn.runs.workdir import read_config
from tests.config.cases import DEFAULTS, OPTIONS, config_with, reading

GOLDEN = sorted((Path(__file__).parents[1] / "golden").iterdir())


def test_what_an_earlier_config_lacks_has_its_default():
    needed = {field: DEFAULTS[field] for field in IN_EVERY_VERSION}
    assert completed(needed) == base_config()
    assert completed(needed | {"model.hidden_size": 7}).model.hidden_size == 7


def test_what_an_earlier_config_has_and_does_not_read_is_at_its_default():
    before = DEFAULTS | {"model.cell": "lstm", "model.diffusion": 7.0, "model.forget_bias": 3}
    now = flatten(completed(before).to_dict())
    assert now == DEFAULTS | {"model.cell": "lstm", "model.forget_bias": 3.0}


@pytest.mark.parametrize("field", IN_EVERY_VERSION)
def test_what_no_version_lacks_has_to_be_there(field):
    with pytest.raises(ConfigError, match=f"'{field}' is missing"):
        completed({name: value for name, value in DEFAULTS.items() if name != field})


@pytest.mark.parametrize("workdir", GOLDEN, ids=lambda path: path.name)
def test_a_config_of_an_earlier_version_is_read_with_todays_defaults(workdir):
    before = flatten(json.loads((workdir / "config.json").read_text()))
    config = read_config(workdir / "config.json")
    check_config(config)
    now = flatten(config.to_dict())
    assert now.keys() == DEFAULTS.keys()
    unread = {"model.step_size", "model.diffusion"} if workdir.name == "lstm" else set()
    expected = {field: before[field] for field in before.keys() - unread}
    expected["recurrence.remat"] = {False: "none", True: "segments"}[before["recurrence.remat"]]
    assert now == DEFAULTS | expected


@pytest.mark.parametrize("field", ["optimizer.nonesuch", "model.step_sizes", "nonesuch"])
def test_an_unknown_field_of_a_stored_config_is_refused_by_name(field, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(to_json(config_with(field, 1.0)))
    with pytest.raises(CheckpointError, match=f"unknown config field '{field}'") as refused:
        read_config(path)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 5


@pytest.mark.parametrize("field", [f for f, v in DEFAULTS.items() if type(v) is float])
def test_a_whole_number_may_stand_for_a_float(field):
    # As a person writes them into a config.json: "learning_rate": 1.
    value = 0 if OPTIONS[field].check is FRACTION else 1
    config = reading(field)
    fields = flatten(config.to_dict())
    whole, as_float = completed(fields | {field: value}), completed(fields | {field: float(value)})
    assert to_json(whole) == to_json(as_float)
    assert f'"{field.rpartition(".")[2]}": {float(value)}' in to_json(whole)


def test_json_makes_the_round_trip_with_its_types(tmp_path):
    config = base_config()
    config.optimizer.learning_rate = 1.0
    config.optimizer.epsilon = 1e-30
    config.task.data_dir = "naïve folder/ε"
    (tmp_path / "config.json").write_text(to_json(config))
    again = read_config(tmp_path / "config.json")
    assert again.to_dict() == config.to_dict()
    types = [{k: type(v) for k, v in flatten(c.to_dict()).items()} for c in (config, again)]
    assert types[0] == types[1]
    assert to_json(again) == to_json(config)


def test_json_does_not_depend_on_the_order_of_the_fields():
    tree = base_config().to_dict()
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(tree.items())
    }
    assert to_json(ConfigDict(backwards)) == to_json(base_config())
    assert default_workdir(ConfigDict(backwards)) == default_workdir(base_config())


def test_a_config_that_is_not_there_is_refused_by_its_path(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(ConfigError, match=r"config\.json not found"):
        read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"3", b'"seed"', b"null", b"{}", b'{"seed": 0}', b"\xff\xfe{}"),
        to_json(base_config()).replace('"seed": 0', '"seed": NaN').encode(),
        to_json(base_config()).replace('"adagrad"', '"adagrd"').encode(),
    ],
)
def test_a_damaged_config_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(CheckpointError, match="repair the file or move the folder") as refused:
        read_config(path)
    assert "\n" not in str(refused.value)


def test_a_folder_in_the_place_of_a_config_is_refused_in_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="not a readable config"):
        read_config(tmp_path)


def test_the_resolved_config_is_plain_json():
    assert json.loads(to_json(base_config())) == base_config().to_dict()
