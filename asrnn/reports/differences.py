"""In which fields configs differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]
"""Values by dotted name."""

ABSENT = object()


def differing_fields(configs: Sequence[Config]) -> list[str]:
    """The fields that do not have one value in all configs, in the order of their names."""
    names = sorted({name for config in configs for name in config})
    return [
        name for name in names if len({_key(config.get(name, ABSENT)) for config in configs}) > 1
    ]


def written(value: Any) -> str:
    """A value as a reader knows it: strings without quotes, lists as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _key(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, sort_keys=True)
