"""Configs with one field changed, and the line with which a config is refused."""

import pytest
from ml_collections import ConfigDict

from asrnn.config import CHOICES, all_options, base_config, check_config, flatten
from asrnn.errors import ConfigError

OPTIONS = all_options()


DEFAULTS = flatten(base_config().to_dict())


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
