"""TOML tables to dataclasses, strictly: a typo is an error with the key's place and a suggestion.

A key is a field of the dataclass, with the text of the reference page.
"""

import dataclasses
import types
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pkgrel.errors import ConfigError, did_you_mean

T = TypeVar("T")

_NAMES = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    tuple: "an array",
}


def key(doc: str, *, default: Any = "") -> Any:
    """A setting: what it does, and its value when it is not given."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})


def parse_table(cls: type[T], table: Mapping[str, Any], *, where: str, prefix: str = "") -> T:
    """Make a `cls` of a table; ConfigError for an unknown key or a value of the wrong type.

    `where` is the file, `prefix` the dotted path of the table, empty or ending with a period.
    """
    hints = get_type_hints(cls)
    keys = {name.replace("_", "-"): name for name in hints}
    values = {}
    for key, value in table.items():
        if key not in keys:
            raise unknown_key(key, keys, where=where, prefix=prefix)
        values[keys[key]] = parse_value(hints[keys[key]], value, where=where, path=f"{prefix}{key}")
    return cls(**values)


def unknown_key(key: str, known: Mapping[str, Any], *, where: str, prefix: str = "") -> ConfigError:
    """The error for a key that is not there, with the nearest one that is."""
    everything = f"known here: {', '.join(sorted(known))}"
    hint = did_you_mean(key, known, otherwise=everything, prefix=prefix)
    return ConfigError(f"{where}: unknown key `{prefix}{key}`", hint=hint)


def parse_value(wanted: Any, value: Any, *, where: str, path: str) -> Any:
    """Make a value of type `wanted` of what TOML gave; ConfigError, naming `path`, if it is none."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):  # `X | None`: TOML has no null, so it is an X
        return parse_value(arguments[0], value, where=where, path=path)
    if origin is tuple:
        _expect(list, "an array", value, where=where, path=path)
        return tuple(
            parse_value(arguments[0], item, where=where, path=f"{path}[{number}]")
            for number, item in enumerate(value)
        )
    if origin is dict:
        _expect(dict, "a table", value, where=where, path=path)
        return {
            name: parse_value(arguments[1], item, where=where, path=f"{path}.{name}")
            for name, item in value.items()
        }
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        _expect(dict, "a table", value, where=where, path=path)
        return parse_table(wanted, value, where=where, prefix=f"{path}.")
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return _choice(wanted, value, where=where, path=path)
    _expect(wanted, _NAMES[wanted], value, where=where, path=path)
    return value


def _expect(wanted: type, name: str, value: Any, *, where: str, path: str) -> None:
    # Not isinstance: true is no whole number.
    if type(value) is not wanted:
        # Not the text to write: 1.10 has become 1.1 by now.
        is_number = wanted is str and type(value) in (int, float)
        raise ConfigError(
            f"{where}: `{path}` must be {name}, not `{_shown(value)}`",
            hint="put it in quotes" if is_number else None,
        )


def _choice(wanted: type[StrEnum], value: Any, *, where: str, path: str) -> StrEnum:
    try:
        return wanted(value)
    except ValueError:
        choices = ", ".join(wanted)
        raise ConfigError(
            f"{where}: `{path}` must be one of {choices}, not `{_shown(value)}`"
        ) from None


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
