"""What a config cannot have is refused in one line: field, value and what is expected."""

import pytest

from asrnn.config import CHOICES, base_config, check_config
from asrnn.errors import ConfigError
from asrnn.options import COUNT, COUNT_OR_ZERO, FRACTION, NON_NEGATIVE, POSITIVE, SEED
from asrnn.training.experiment import make_experiment
from tests.config.cases import DEFAULTS, OPTIONS, config_with, config_without, refusal

NAN, INF = float("nan"), float("inf")


OUT_OF_RANGE = {
    POSITIVE: (0.0, -1e-9, NAN, INF, -INF),
    NON_NEGATIVE: (-1e-9, NAN, INF, -INF),
    FRACTION: (1.0, 1 - 1e-9, -1e-9, NAN, INF, -INF),
    SEED: (-1, 2**32),
    COUNT: (0, -1, 2**31),
    COUNT_OR_ZERO: (-1, 2**31),
}


OTHER_TYPES = {
    float: ("0.1", True, None),
    int: (1.0, "1", True, None, [1, 2]),
    str: (1, None),
    bool: (1, "True", None),
}


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field, option in OPTIONS.items()
        for value in OUT_OF_RANGE.get(option.check, ())
    ],
)
def test_a_value_out_of_range_is_refused_by_field_and_value(field, value):
    text = refusal(config_with(field, value))
    assert text.startswith(f"config.{field} must be {OPTIONS[field].check.words}")
    assert text.endswith(f"found {value}")


def test_a_whole_number_beyond_the_largest_float_is_refused():
    for value in (10**400, -(10**400)):
        text = refusal(config_with("optimizer.learning_rate", value))
        assert text.startswith("config.optimizer.learning_rate must be positive and finite")


def test_every_number_has_a_range():
    for field, option in OPTIONS.items():
        numeric = type(option.default) in (int, float)
        assert option.check is not None or not numeric, field


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, v) for field, default in DEFAULTS.items() for v in OTHER_TYPES[type(default)]],
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


@pytest.mark.parametrize("choice", sorted(CHOICES))
def test_a_component_of_no_table_is_refused_with_the_names_and_the_nearest(choice):
    names = list(CHOICES[choice])
    text = refusal(config_with(choice, names[0] + "x"))
    assert ", ".join(names) in text
    assert text.endswith(f"found '{names[0]}x'; did you mean '{names[0]}'?")


def check_and_make(config):
    check_config(config)
    make_experiment(config)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task.source": "nothing-of-this-kind"}, "bundled"),
        ({"recurrence.backend": "nothing-of-this-kind"}, "auto, scan, adjoint, native"),
        ({"model.readout": "nothing-of-this-kind"}, "last, mean, every_step"),
        ({"task.pixels": "nothing-of-this-kind"}, "unit, standardized"),
        (
            {"task.name": "noise_padded_cifar10", "task.noise": "nothing-of-this-kind"},
            "fresh, fixed",
        ),
    ],
)
def test_an_unknown_word_is_refused_before_anything_runs_with_those_that_there_are(changes, text):
    config = base_config()
    config.update_from_flattened_dict(changes)
    with pytest.raises(ConfigError, match=text) as refused:
        check_and_make(config)
    assert "'nothing-of-this-kind'" in str(refused.value)
    assert "\n" not in str(refused.value)
