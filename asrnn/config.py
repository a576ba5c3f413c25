"""The configuration of a run: the union of what its components can be told.

A config has the fields of the frame, which every run reads, and the options of every cell,
scheme, task, objective, optimizer and schedule, whichever of them it chooses. A field that the
chosen ones do not read has to stay at its default.
"""

import hashlib
import json
import os
import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from asrnn.dynamics import CELLS, SCHEMES, MapCell, make_cell
from asrnn.errors import ConfigError, check_choice, near_miss
from asrnn.frame import FRAME, SEED_OPTION
from asrnn.objectives import OBJECTIVES, objective_of
from asrnn.optimizers import OPTIMIZERS, SCHEDULES, check_optimizer
from asrnn.options import Component, Option, Use, Value, check_value, union, values_of
from asrnn.shipped import WIDTH
from asrnn.tasks import TASKS

Variants = Mapping[str, Mapping[str, Any]]
"""The fields that each variant of a config file changes, by dotted name."""

CHOICES: dict[str, Mapping[str, Component]] = {
    "task.name": TASKS,
    "model.cell": CELLS,
    "model.discretization": SCHEMES,
    "objective.name": OBJECTIVES,
    "optimizer.name": OPTIMIZERS,
    "optimizer.schedule": SCHEDULES,
}
"""The fields that choose a component, and the table that each chooses from."""

FORMER_VALUES = {"recurrence.remat": {False: "none", True: "segments"}}
"""Values in the configs of earlier versions, by field, and today's."""

IN_EVERY_VERSION = ("seed", "task.name", "model.cell", "optimizer.name", "training.steps")
"""The fields without which a config.json is not that of a run."""


def all_options() -> dict[str, Option]:
    """Every field of a config by dotted name, in the order of `base_config`."""
    found = {SEED_OPTION.name: SEED_OPTION}
    for section, frame in FRAME.items():
        tables = [table for field, table in CHOICES.items() if _section(field) == section]
        components = (component for table in tables for component in table.values())
        found |= {f"{section}.{option.name}": option for option in frame}
        found |= {f"{section}.{name}": option for name, option in union(components).items()}
    return found


def base_config() -> ConfigDict:
    """Every field with its default; the files in configs/ start from here."""
    config = ConfigDict()
    for field, option in all_options().items():
        section, _, name = field.rpartition(".")
        if section and section not in config:
            config[section] = ConfigDict()
        (config[section] if section else config)[name] = option.default
    return config


def field_table() -> str:
    """All fields for a person: name, default, what it is, and who reads it if not every run."""
    lines = []
    for field, option in all_options().items():
        some = f" [{_reader_names(field)}]" if _readers(field) else ""
        default = "''" if option.default == "" else option.default
        lines.append(f"  {field} = {default}")
        lines += textwrap.wrap(f"{option.help}{some}", WIDTH - 6)
    return "\n".join(line if line.startswith("  ") else f"      {line}" for line in lines)


def check_config(config: ConfigDict) -> None:
    """Checks that all fields are there, of their types, in their ranges, and read.

    Raises:
      ConfigError: for the first field that cannot be used, in one line.
    """
    fields = flatten(config.to_dict())
    options = all_options()
    check_known(fields)
    for field, option in options.items():
        if field not in fields:
            raise ConfigError(f"config field {field!r} is missing; asrnn.config.base_config has it")
        check_value(field, option, fields[field])
    _check_choices(fields)
    for field in _unread(fields):
        if fields[field] != options[field].default:
            chosen = ", ".join(f"{choice}={fields[choice]}" for choice in _choosers(field))
            raise ConfigError(
                f"config.{field}={fields[field]!r} is not read by {chosen}; read by"
                f" {_reader_names(field)}; leave it at its default {options[field].default!r}"
            )
    objective_of(fields)
    _check_cell(config.model)
    check_optimizer({**config.optimizer.to_dict(), "steps": fields["training.steps"]})
    if fields["training.batch_size"] % fields["training.accumulate"]:
        raise ConfigError(
            f"config.training.accumulate={fields['training.accumulate']} does not divide"
            f" config.training.batch_size={fields['training.batch_size']}; give a number that does"
        )
    if fields["task.source"] == "files" and not fields["task.data_dir"]:
        raise ConfigError(
            "config.task.source is 'files' but config.task.data_dir is empty;"
            " give the folder of the original files: --config.task.data_dir=DIR"
        )


def _check_cell(model: ConfigDict) -> None:
    """Checks that the cell goes with the scheme, which has no effect on one that is a map."""
    if not isinstance(CELLS[model.cell], MapCell):
        scheme = values_of(SCHEMES[model.discretization], model.to_dict())
        make_cell(model.cell, model.discretization, **scheme)


def check_known(fields: Mapping[str, Any]) -> None:
    """Checks that there are fields of these dotted names.

    Raises:
      ConfigError: for the first unknown one.
    """
    options = all_options()
    for field in fields:
        if field not in options:
            raise ConfigError(f"unknown config field {field!r}{near_miss(field, options)}")


def _check_choices(fields: Mapping[str, Any]) -> None:
    for field, table in CHOICES.items():
        if field not in fields:
            raise ConfigError(f"config field {field!r} is missing; asrnn.config.base_config has it")
        check_choice(field, fields[field], table)


def completed(fields: Mapping[str, Any]) -> ConfigDict:
    """A config of an earlier version, by dotted name, as one of today.

    Fields that it lacks, and fields that no component reads, get today's defaults.

    Raises:
      ConfigError: for an unknown field, a missing field that every version writes, or a value
        that cannot be used.
    """
    check_known(fields)
    for field in IN_EVERY_VERSION:
        if field not in fields:
            raise ConfigError(f"config field {field!r} is missing; every version writes it")
    config, options = base_config(), all_options()
    todays = {field: _todays(field, value) for field, value in fields.items()}
    for field, value in todays.items():
        check_value(field, options[field], value)
    config.update_from_flattened_dict(todays)
    _check_choices(flatten(config.to_dict()))
    config = normalized(config)
    check_config(config)
    return config


def _todays(field: str, value: Any) -> Any:
    former = FORMER_VALUES.get(field, {})
    return next((new for old, new in former.items() if old is value), value)


def normalized(config: ConfigDict) -> ConfigDict:
    """The config with every field that no component reads at its default, and paths as short."""
    config = ConfigDict(config.to_dict())
    _reset_unread(config)
    if config.training.init_from:
        config.training.init_from = os.path.normpath(config.training.init_from)
    return config


def follow_choices(config: ConfigDict, changed: Collection[str]) -> None:
    """Resets what is no longer read, if one of the fields that changed chooses a component.

    The fields that changed stay as they are: `check_config` refuses one that is set and
    not read.

    Raises:
      ConfigError: if a choice is missing, or names no component.
    """
    if CHOICES.keys() & set(changed):
        _check_choices(flatten(config.to_dict()))
        _reset_unread(config, kept=changed)


def _reset_unread(config: ConfigDict, kept: Collection[str] = ()) -> None:
    options = all_options()
    unread = set(_unread(flatten(config.to_dict()))) - set(kept)
    config.update_from_flattened_dict({field: options[field].default for field in unread})


def fields_of(*uses: Use) -> list[str]:
    """The dotted names of all fields of some uses."""
    return [field for field, option in all_options().items() if option.use in uses]


def section_values(config: ConfigDict, section: str, use: Use) -> dict[str, Any]:
    """The values in a section that are of a use and are read, by name without the section."""
    fields = flatten(config.to_dict())
    unread = set(_unread(fields))
    return {
        field.removeprefix(f"{section}."): fields[field]
        for field in fields_of(use)
        if _section(field) == section and field not in unread
    }


def read_fields(config: ConfigDict) -> dict[str, Value]:
    """The fields that the chosen components read, by dotted name."""
    fields = flatten(config.to_dict())
    unread = set(_unread(fields))
    return {field: value for field, value in fields.items() if field not in unread}


def seeds(config: ConfigDict) -> dict[str, int]:
    """The fields that are read and begin a random stream, by dotted name."""
    return {
        field: int(value)
        for field, value in read_fields(config).items()
        if field == "seed" or field.endswith("_seed")
    }


def _section(field: str) -> str:
    return field.rpartition(".")[0]


def _choosers(field: str) -> list[str]:
    """The choices of whose options a field may be: for `model.step_size` cell and scheme."""
    name = field.rpartition(".")[2]
    return [
        choice
        for choice, table in CHOICES.items()
        if _section(choice) == _section(field) and name in union(table.values())
    ] or (["model.cell"] if field == "model.discretization" else [])


def _readers(field: str) -> list[tuple[str, str]]:
    """The components that read a field, each as (choice, name); none: every run reads it."""
    name = field.rpartition(".")[2]
    if field == "model.discretization":
        return [("model.cell", cell) for cell, it in CELLS.items() if not isinstance(it, MapCell)]
    return [
        (choice, component)
        for choice in _choosers(field)
        for component, it in CHOICES[choice].items()
        if name in {option.name for option in it.options}
    ]


def _reader_names(field: str) -> str:
    return ", ".join(component for _, component in _readers(field))


def _unread(fields: Mapping[str, Any]) -> Iterator[str]:
    """The fields that the components chosen by a config do not read."""
    chosen = {(choice, fields[choice]) for choice in CHOICES}
    if isinstance(CELLS[fields["model.cell"]], MapCell):
        chosen.remove(("model.discretization", fields["model.discretization"]))
    for field in fields:
        readers = _readers(field)
        if readers and not chosen & set(readers):
            yield field


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def apply_variants(config: ConfigDict, arg: str, variants: Variants) -> ConfigDict:
    """Applies the comma-separated variants that follow the colon of `--config=file.py:arg`.

    Where one chooses another component (`model.cell`, say), fields that the new one does not read
    are reset, as `follow_choices` does.

    Args:
      config: is changed and returned.
      arg: for example "gated,quick"; "" for none.
      variants: the fields that each name changes, by dotted name.

    Raises:
      ConfigError: for an unknown variant, two that set a field to different values, or one that
        chooses an unknown component.
    """
    setter: dict[str, str] = {}
    for name in filter(None, arg.split(",")):
        check_choice("the variant of a config (after the colon)", name, variants)
        for field, value in variants[name].items():
            other = setter.setdefault(field, name)
            if variants[other][field] != value:
                raise ConfigError(
                    f"the variants {other} and {name} exclude each other: config.{field} would be"
                    f" both {variants[other][field]!r} and {value!r}"
                )
        config.update_from_flattened_dict(variants[name])
    follow_choices(config, setter)
    return config


def changed(config: ConfigDict, values: Mapping[str, Any]) -> ConfigDict:
    """A copy of the config with other values of some fields, after `follow_choices`.

    Args:
      config: what to change; it stays as it is.
      values: by dotted name.

    Raises:
      ConfigError: for an unknown component.
      TypeError: for a value of another type.
    """
    config = ConfigDict(config.to_dict())
    config.update_from_flattened_dict(dict(values))
    follow_choices(config, values)
    return config


def default_workdir(config: ConfigDict) -> Path:
    """runs/<task>-<cell>-<hash of the fields that are not at their defaults>.

    The same command finds its run, and a field that a later version adds changes no name.
    """
    differing = json.dumps(differing_fields(config), sort_keys=True, allow_nan=False)
    digest = hashlib.sha256(differing.encode()).hexdigest()
    return Path("runs") / f"{config.task.name}-{config.model.cell}-{digest[:8]}"


def differing_fields(config: ConfigDict) -> dict[str, Value]:
    """The fields that are read and not at their defaults, by dotted name."""
    fields, options = flatten(normalized(config).to_dict()), all_options()
    return {
        field: type(options[field].default)(value)
        for field, value in fields.items()
        if value != options[field].default
    }


def to_json(config: ConfigDict) -> str:
    """The resolved config as JSON, fields in a fixed order."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"
