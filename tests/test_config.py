"""The checks of a configuration, its JSON form, its workdir and its variants."""

import json

import pytest
from ml_collections import ConfigDict

from asrnn.config import (
    apply_variants,
    base_config,
    check_config,
    default_workdir,
    flatten,
    to_json,
)
from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.workdir import read_config
from asrnn.training.experiment import make_experiment

DEFAULTS = flatten(base_config().to_dict())
NAN, INF = float("nan"), float("inf")


def config_with(field, value):
    """The base config with one field of any type changed, or a new one."""
    tree = base_config().to_dict()
    *sections, name = field.split(".")
    section = tree
    for part in sections:
        section = section[part]
    section[name] = value
    return ConfigDict(tree)


def config_without(field):
    tree = base_config().to_dict()
    *sections, name = field.split(".")
    section = tree
    for part in sections:
        section = section[part]
    del section[name]
    return ConfigDict(tree)


def refusal(config):
    """The one line with which a config is refused."""
    with pytest.raises(ConfigError) as refused:
        check_config(config)
    text = str(refused.value)
    assert "\n" not in text
    assert refused.value.exit_code == 2
    return text


def test_the_base_config_passes():
    check_config(base_config())


def test_the_fields_of_the_contract_are_there():
    contract = {
        "": ["seed"],
        "task.": ["name", "source", "data_dir", "validation_size", "permutation_seed", "noise"],
        "model.": [
            *("cell", "hidden_size", "step_size", "diffusion", "init_scale", "discretization"),
        ],
        "recurrence.": ["backend", "unroll", "remat"],
        "optimizer.": ["name", "learning_rate", "momentum"],
        "training.": ["batch_size", "steps", "log_every", "eval_every", "checkpoint_every"],
    }
    for section, names in contract.items():
        assert {section + name for name in names} <= DEFAULTS.keys()


POSITIVE = ["model.step_size", "optimizer.learning_rate", "optimizer.epsilon"]
NON_NEGATIVE = [
    "model.diffusion",
    "model.init_scale",
    "optimizer.initial_accumulator",
    "optimizer.clip_norm",
]
FRACTIONS = ["optimizer.momentum", "optimizer.beta1", "optimizer.beta2"]
FLOATS = [*POSITIVE, "optimizer.decay_factor", *NON_NEGATIVE, *FRACTIONS]
COUNTS = [
    "model.hidden_size",
    "recurrence.unroll",
    "optimizer.decay_every",
    "training.batch_size",
    "training.steps",
    "training.log_every",
    "training.eval_every",
    "training.checkpoint_every",
]
NATURALS = ["seed", "task.validation_size", "task.permutation_seed"]
TEXTS = [field for field, default in DEFAULTS.items() if isinstance(default, str)]
SWITCHES = [field for field, default in DEFAULTS.items() if isinstance(default, bool)]


def test_every_field_is_in_one_of_the_tables_of_this_test():
    assert {*FLOATS, *COUNTS, *NATURALS, *TEXTS, *SWITCHES} == DEFAULTS.keys()


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field in FLOATS for value in (NAN, INF, -INF, -1e-9)]
    + [(field, 0.0) for field in POSITIVE]
    + [(field, 1.0) for field in FRACTIONS]
    + [(field, value) for field in COUNTS for value in (0, -1, 2**31)]
    + [(field, -1) for field in NATURALS]
    + [("seed", 2**32), ("task.permutation_seed", 2**32), ("task.validation_size", 2**31)],
)
def test_a_value_out_of_range_is_refused_by_field_and_value(field, value):
    text = refusal(config_with(field, value))
    assert text.startswith(f"config.{field} must be ")
    assert text.endswith(f"found {value}")


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, "0.1") for field in FLOATS]
    + [(field, True) for field in FLOATS]
    + [(field, 1.0) for field in COUNTS + NATURALS]
    + [(field, "1") for field in COUNTS + NATURALS]
    + [(field, True) for field in COUNTS + NATURALS]
    + [(field, 1) for field in TEXTS + SWITCHES]
    + [(field, "True") for field in SWITCHES]
    + [(field, None) for field in DEFAULTS]
    + [("model.hidden_size", [1, 2])],
)
def test_a_value_of_another_type_is_refused_by_field_type_and_value(field, value):
    text = refusal(config_with(field, value))
    assert text.startswith(f"config.{field} must be of type {type(DEFAULTS[field]).__name__}")
    assert repr(value) in text


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_a_missing_field_is_named(field):
    assert refusal(config_without(field)).startswith(f"config field '{field}' is missing")


def test_a_missing_section_is_named_by_its_first_field():
    assert "'recurrence.backend' is missing" in refusal(config_without("recurrence"))


@pytest.mark.parametrize(
    ("field", "nearest"),
    [
        ("optimizer.learning_rte", "optimizer.learning_rate"),
        ("model.hiden_size", "model.hidden_size"),
        ("sead", "seed"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest(field, nearest):
    text = refusal(config_with(field, 1))
    assert text == f"unknown config field '{field}'; did you mean '{nearest}'?"


def test_an_unknown_field_far_from_all_is_refused_without_a_guess():
    assert refusal(config_with("zzz", 1)) == "unknown config field 'zzz'"


def test_a_section_in_the_place_of_a_field_and_a_field_in_the_place_of_a_section():
    assert "'seed.a'" in refusal(config_with("seed", {"a": 1}))
    assert "'model'" in refusal(config_with("model", 3))


def test_files_need_a_folder():
    config = base_config()
    config.task.source = "files"
    assert "--config.task.data_dir=DIR" in refusal(config)
    config.task.data_dir = "data"
    check_config(config)


@pytest.mark.parametrize("field", FLOATS)
def test_a_whole_number_may_stand_for_a_float(field, tmp_path):
    # As a person writes them into a config.json: "learning_rate": 1.
    value = 0 if field in FRACTIONS else 1
    (tmp_path / "config.json").write_text(to_json(config_with(field, value)))
    whole, as_float = read_config(tmp_path / "config.json"), config_with(field, float(value))
    assert make_experiment(whole).hyper == make_experiment(as_float).hyper


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("task.name", "digits, "),
        ("task.source", "bundled"),
        ("task.noise", "fresh, fixed"),
        ("model.cell", "antisymmetric, "),
        ("model.discretization", "euler, midpoint, rk4"),
        ("recurrence.backend", "auto, scan"),
        ("optimizer.name", "sgd, adagrad, adam, rmsprop"),
        ("optimizer.schedule", "constant, step, cosine"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_runs_with_the_names(field, text):
    with pytest.raises(ConfigError, match=f"(?s){text}.*") as refused:
        make_experiment(config_with(field, "nothing-of-this-kind"))
    assert "'nothing-of-this-kind'" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_text_field_is_checked_by_its_room():
    tested = test_an_unknown_name_is_refused_before_anything_runs_with_the_names.pytestmark
    names = {field for field, _ in tested[0].args[1]}
    assert names | {"task.data_dir"} == set(TEXTS)


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
    "text", [b"", b"{", b"[]", b"3", b'"seed"', b"null", b"{}", b'{"seed": NaN}', b"\xff\xfe{}"]
)
def test_a_damaged_config_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(CheckpointError) as refused:
        read_config(path)
    assert "\n" not in str(refused.value)


def test_a_folder_in_the_place_of_a_config_is_refused_in_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="not a readable config"):
        read_config(tmp_path)


def test_the_default_workdir_names_task_and_cell():
    config = base_config()
    workdir = default_workdir(config)
    assert workdir.parent.name == "runs"
    assert workdir.name.startswith("digits-antisymmetric-")
    assert workdir == default_workdir(base_config())


def other(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_the_default_workdir_differs_by_every_field(field):
    changed = config_with(field, other(DEFAULTS[field]))
    assert default_workdir(changed) != default_workdir(base_config())


VARIANTS = {
    "small": {"model.hidden_size": 8, "training.steps": 10},
    "smaller": {"model.hidden_size": 4},
    "short": {"training.steps": 5},
    "misspelt": {"model.hiden_size": 8},
}


@pytest.mark.parametrize(
    ("arg", "size", "steps"),
    [
        ("", 128, 50_000),
        ("small", 8, 10),
        ("smaller,short", 4, 5),
        ("short,smaller", 4, 5),
        ("small,", 8, 10),
        ("small,small", 8, 10),
    ],
)
def test_variants_are_applied_in_any_order(arg, size, steps):
    config = apply_variants(base_config(), arg, VARIANTS)
    assert (config.model.hidden_size, config.training.steps) == (size, steps)


def test_an_unknown_variant_is_refused_with_the_names_and_the_nearest():
    with pytest.raises(ConfigError, match=r"small, smaller, .*found 'smal'; .* 'small'\?"):
        apply_variants(base_config(), "small,smal", VARIANTS)


@pytest.mark.parametrize(
    ("arg", "complaint"),
    [
        ("small,smaller", "small and smaller .*: config.model.hidden_size .* 8 and 4"),
        ("smaller,small", "smaller and small .*: config.model.hidden_size .* 4 and 8"),
        ("smaller,short,small", "smaller and small "),
    ],
)
def test_variants_that_exclude_each_other_are_refused(arg, complaint):
    with pytest.raises(ConfigError, match=complaint):
        apply_variants(base_config(), arg, VARIANTS)


def test_a_variant_cannot_make_up_a_field():
    assert "'model.hiden_size'" in refusal(apply_variants(base_config(), "misspelt", VARIANTS))


def test_the_resolved_config_is_plain_json():
    assert json.loads(to_json(base_config())) == base_config().to_dict()
