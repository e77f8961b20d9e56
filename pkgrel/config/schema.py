"""The JSON Schema of pkgrel.toml, made from the dataclasses; editors complete and check with it.

Source: JSON Schema 2020-12, https://json-schema.org/draft/2020-12/json-schema-core.
"""

from __future__ import annotations

import dataclasses
import types
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pkgrel.config import rules
from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.config.table import key_of
from pkgrel.distro import Format, distros

Schema = dict[str, Any]

_TYPES = {str: "string", int: "integer", bool: "boolean"}

_REQUIRED = {
    "file": ["path"],
    "unit": ["name"],
    "obsolete": ["path", "version"],
    "try.services.*": ["image"],
}
"""Mandatory keys of tables that are present."""


def json_schema() -> Schema:
    """The schema of a whole pkgrel.toml; each kind of table is one of its definitions."""
    definitions: dict[str, Schema] = {}
    tables = {
        key_of(name): _value(wanted, key_of(name), definitions)
        for name, wanted in get_type_hints(Config).items()
    }
    definitions["distro"] = _closed(tables)
    of_distro = {"$ref": "#/$defs/distro"}
    names = [name for row in distros().values() for name in (row.id, *row.aliases)]
    of_format = _value(FormatSettings, "package", definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pkgrel:pkgrel.toml",
        "title": "pkgrel.toml",
        "description": "Settings of pkgrel: an Erlang release as .deb and .rpm packages.",
        **_closed(
            {
                **tables,
                **{name.value: of_format for name in Format},
                "distro": _closed(dict.fromkeys(names, of_distro)),
            }
        ),
        "$defs": definitions,
    }


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(wanted: Any, key: str, definitions: dict[str, Schema]) -> Schema:
    """The schema of a value of the type, with the rule of its key in `rules.RULES`."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _value(arguments[0], key, definitions)
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0], key, definitions)}
    if origin is dict:
        values = _value(arguments[1], f"{key}.*", definitions)
        names = {"propertyNames": _text(key)} if key in rules.RULES else {}
        return {"type": "object", "additionalProperties": values, **names}
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _table(wanted, key, definitions)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return {"enum": list(wanted)}
    return _text(key) if wanted is str else {"type": _TYPES[wanted]}


def _table(cls: type, key: str, definitions: dict[str, Schema]) -> Schema:
    if cls.__name__ not in definitions:
        hints = get_type_hints(cls)
        table = definitions[cls.__name__] = _closed({})
        table["description"] = (cls.__doc__ or "").partition("\n")[0]
        if needed := _REQUIRED.get(key):
            table["required"] = needed
        for field in dataclasses.fields(cls):
            if field.metadata.get("rest"):
                rest = _value(hints[field.name], key, definitions)
                table["additionalProperties"] = rest["additionalProperties"]
                table["propertyNames"] = rest["propertyNames"]
                continue
            name = key_of(field.name)
            described = _value(hints[field.name], f"{key}.{name}", definitions)
            table["properties"][name] = described | _documented(field)
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _documented(field: dataclasses.Field[Any]) -> Schema:
    described: Schema = {"description": field.metadata["doc"]}
    if isinstance(field.default, int) and not isinstance(field.default, bool):
        described["minimum"], described["maximum"] = field.metadata["bounds"]
    if field.default not in (dataclasses.MISSING, None, "", (), 0):
        described["default"] = field.default
    return described


def _text(key: str) -> Schema:
    rule = rules.RULES.get(key)
    if not rule:
        return {"type": "string"}
    # Placeholders are filled in later; an empty string means the default.
    free = r"|.*\{\{.*" if key.startswith("service.") else ""
    empty = "" if key in rules.NEEDED else "|"
    return {"type": "string", "pattern": f"^(?:{rule.pattern}{free}{empty})$"}
