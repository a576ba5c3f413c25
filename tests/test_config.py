"""The fields of a configuration, their checks, its form in files, its workdir and its variants."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from asrnn.config import (
    CHOICES,
    FRAME,
    IN_EVERY_VERSION,
    all_options,
    apply_variants,
    base_config,
    check_config,
    completed,
    default_workdir,
    differing_fields,
    field_table,
    fields_of,
    flatten,
    follow_choices,
    normalized,
    section_values,
    to_json,
)
from asrnn.dynamics import CELLS, Ode
from asrnn.errors import CheckpointError, ConfigError
from asrnn.optimizers import OPTIMIZERS, Optimizer
from asrnn.options import (
    COUNT,
    COUNT_OR_ZERO,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    SEED,
    Option,
    Use,
)
from asrnn.runs.workdir import read_config
from asrnn.training.experiment import make_experiment

OPTIONS = all_options()
DEFAULTS = flatten(base_config().to_dict())
GOLDEN = sorted((Path(__file__).parent / "golden").iterdir())
NAN, INF = float("nan"), float("inf")

OUT_OF_RANGE = {
    POSITIVE: (0.0, -1e-9, NAN, INF, -INF),
    NON_NEGATIVE: (-1e-9, NAN, INF, -INF),
    FRACTION: (1.0, -1e-9, NAN, INF, -INF),
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


def reading(field):
    """The base config with a component that reads a field."""
    config = base_config()
    section, _, name = field.rpartition(".")
    for choice, table in CHOICES.items():
        for component, it in table.items():
            if choice.startswith(f"{section}.") and name in {option.name for option in it.options}:
                config.update_from_flattened_dict({choice: component})
                return config
    return config


def refusal(config):
    """The one line with which a config is refused."""
    with pytest.raises(ConfigError) as refused:
        check_config(config)
    text = str(refused.value)
    assert "\n" not in text
    assert refused.value.exit_code == 2
    return text


# ---- what is refused


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


# ---- which fields a run reads


def test_a_field_that_no_chosen_component_reads_is_refused_with_those_that_do():
    config = base_config()
    config.optimizer.name = "rmsprop"
    config.optimizer.beta1 = 0.5
    assert refusal(config) == (
        "config.optimizer.beta1=0.5 is not read by optimizer.name=rmsprop; read by adam, adamw;"
        " leave it at its default 0.9"
    )
    config.optimizer.beta1 = 0.9
    check_config(config)


@pytest.mark.parametrize(
    ("field", "value"), [("model.step_size", 0.5), ("model.discretization", "rk4")]
)
def test_what_only_an_ode_reads_is_refused_with_another_cell(field, value):
    config = config_with(field, value)
    check_config(config)
    config.model.cell = "lstm"
    assert f"config.{field}={value!r} is not read by " in refusal(config)
    odes = ", ".join(name for name, cell in CELLS.items() if isinstance(cell, Ode))
    assert f"read by {odes}; leave it" in refusal(config)


def test_two_meanings_of_one_name_are_a_defect(monkeypatch):
    mine = Optimizer(None, (Option("beta1", 0.5, "another β₁"),))
    monkeypatch.setitem(OPTIMIZERS, "mine", mine)
    with pytest.raises(AssertionError, match="beta1"):
        base_config()


def test_no_component_gives_an_option_the_name_of_a_field_of_every_run():
    for choice, table in CHOICES.items():
        frame = {option.name for option in FRAME[choice.rpartition(".")[0]]}
        for component in table.values():
            assert not frame & {option.name for option in component.options}


def test_the_values_of_a_section_are_those_that_are_read():
    config = base_config()
    config.optimizer.name, config.optimizer.momentum = "sgd", 0.5
    values = {"learning_rate": 0.1, "clip_norm": 0.0, "momentum": 0.5}
    assert section_values(config, "optimizer", Use.RUN_TIME) == values
    static = {"name": "sgd", "schedule": "constant", "nesterov": False}
    assert section_values(config, "optimizer", Use.STATIC) == static
    config.model.cell = "gru"
    assert section_values(config, "model", Use.RUN_TIME) == {}


def test_every_field_is_of_one_use():
    assert sorted(field for use in Use for field in fields_of(use)) == sorted(DEFAULTS)
    assert "optimizer.learning_rate" in fields_of(Use.RUN_TIME)
    assert "model.init_scale" in fields_of(Use.INITIAL)


def test_a_new_component_brings_its_fields_by_one_line_in_its_table(monkeypatch):
    field = "optimizer.patience"
    assert field not in OPTIONS
    option = Option("patience", 0.5, "how patient", POSITIVE, Use.RUN_TIME)
    monkeypatch.setitem(OPTIMIZERS, "patient", Optimizer(None, (option,)))
    assert base_config().optimizer.patience == 0.5
    config = config_with(field, 0.25)
    assert "read by patient" in refusal(config)
    config.optimizer.name = "patient"
    check_config(config)
    assert section_values(config, "optimizer", Use.RUN_TIME)["patience"] == 0.25
    assert "how patient [patient]" in field_table()


def test_every_field_is_in_the_table_with_its_default_and_its_readers():
    lines = field_table().splitlines()
    assert [line.split()[0] for line in lines] == list(OPTIONS)
    lines = {line.split()[0]: line for line in lines}
    assert lines["training.steps"].split()[1:] == ["50000", "updates"]
    assert lines["optimizer.momentum"].split()[1] == "0.9"
    assert lines["optimizer.momentum"].endswith(" [sgd]")


# ---- older runs


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
    assert now == DEFAULTS | expected


@pytest.mark.parametrize("field", ["optimizer.nonesuch", "model.step_sizes", "nonesuch"])
def test_an_unknown_field_of_a_stored_config_is_refused_by_name(field, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(to_json(config_with(field, 1.0)))
    with pytest.raises(CheckpointError, match=f"unknown config field '{field}'") as refused:
        read_config(path)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 5


def test_normalizing_resets_what_nobody_reads_in_a_copy():
    config = config_with("optimizer.momentum", 0.5)  # which adagrad does not read
    config.optimizer.learning_rate = 0.7
    again = normalized(config)
    assert (again.optimizer.momentum, again.optimizer.learning_rate) == (0.9, 0.7)
    assert config.optimizer.momentum == 0.5
    assert normalized(again) == again


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


# ---- the name of a workdir


def test_the_default_workdir_names_task_and_cell():
    config = base_config()
    workdir = default_workdir(config)
    assert workdir.parent.name == "runs"
    assert workdir.name.startswith("digits-antisymmetric-")
    assert workdir == default_workdir(base_config())


def other(field):
    """Another value of a field, one that it can have."""
    value = DEFAULTS[field]
    if field in CHOICES:
        return next(name for name in CHOICES[field] if name != value)
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_the_default_workdir_differs_by_every_field_that_is_read(field):
    config = reading(field)
    before = default_workdir(config)
    config.update_from_flattened_dict({field: other(field)})
    assert default_workdir(config) != before


def test_a_field_that_nobody_reads_changes_no_name():
    changed = config_with("optimizer.momentum", 0.5)
    assert default_workdir(changed) == default_workdir(base_config())
    assert differing_fields(changed) == {}


def test_a_field_that_a_later_version_adds_changes_no_name(monkeypatch):
    config = config_with("optimizer.momentum", 0.5)
    config.optimizer.name = "sgd"
    before = default_workdir(config)
    warmup = Option("warmup", 0, "only later", COUNT_OR_ZERO)
    later = Optimizer(None, (*OPTIMIZERS["sgd"].options, warmup))
    monkeypatch.setitem(OPTIMIZERS, "sgd", later)
    config = config_with("optimizer.momentum", 0.5)
    config.optimizer.name = "sgd"
    assert config.optimizer.warmup == 0
    assert default_workdir(config) == before
    config.optimizer.warmup = 3
    assert default_workdir(config) != before


# ---- variants


VARIANTS = {
    "small": {"model.hidden_size": 8, "training.steps": 10},
    "smaller": {"model.hidden_size": 4},
    "short": {"training.steps": 5},
    "misspelt": {"model.hiden_size": 8},
    "sgd": {"optimizer.name": "sgd"},
    "nesterov": {"optimizer.nesterov": True},
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


@pytest.mark.parametrize("arg", ["sgd,nesterov", "nesterov,sgd"])
def test_a_variant_of_another_component_resets_what_that_one_does_not_read(arg):
    config = base_config()
    config.optimizer.initial_accumulator = 0.7
    config = apply_variants(config, arg, VARIANTS)
    changed = config.optimizer
    assert (changed.name, changed.nesterov, changed.initial_accumulator) == ("sgd", True, 0.1)
    check_config(config)


@pytest.mark.parametrize("arg", ["lstm,damped", "damped,lstm"])
def test_what_a_variant_sets_is_not_reset_but_refused(arg):
    variants = {"lstm": {"model.cell": "lstm"}, "damped": {"model.diffusion": 0.5}}
    text = refusal(apply_variants(base_config(), arg, variants))
    assert text.startswith("config.model.diffusion=0.5 is not read by model.cell=lstm")


def test_a_variant_of_a_component_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"found 'lsm'; did you mean 'lstm'\?"):
        apply_variants(base_config(), "bad", {"bad": {"model.cell": "lsm"}})


def test_a_change_of_component_resets_only_what_was_not_changed_with_it():
    config = base_config()
    changes = {"model.cell": "lstm", "model.step_size": 0.5}
    config.model.diffusion = 0.3
    config.update_from_flattened_dict(changes)
    follow_choices(config, changes)
    assert (config.model.diffusion, config.model.step_size) == (0.01, 0.5)


def test_a_change_of_no_component_resets_nothing():
    config = config_with("optimizer.momentum", 0.5)  # which adagrad does not read
    follow_choices(config, {"seed"})
    assert config.optimizer.momentum == 0.5


def test_a_variant_of_no_component_resets_nothing():
    config = config_with("optimizer.momentum", 0.5)  # which adagrad does not read
    assert "momentum" in refusal(apply_variants(config, "short", VARIANTS))


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


# ---- the import


def test_a_config_file_is_read_without_the_libraries_of_training():
    heavy = ("flax", "optax", "orbax", "tensorflow_datasets", "matplotlib", "sklearn", "PIL")
    code = (
        "import sys, asrnn.config; asrnn.config.base_config();"
        f" print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
