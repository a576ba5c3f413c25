"""Variants of a config file, and what they reset."""

import pytest

from asrnn.config import apply_variants, base_config, check_config, follow_choices
from asrnn.errors import ConfigError
from tests.config.cases import config_with, refusal

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
