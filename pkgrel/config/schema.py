"""The JSON Schema of pkgrel.toml, made from the dataclasses; editors complete and check with it.

Source: JSON Schema 2020-12.
"""

import dataclasses
import types
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.distro import Format, distros

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def json_schema() -> dict[str, Any]:
    """Describe a whole pkgrel.toml."""
    tables = {name: _type(wanted) for name, wanted in get_type_hints(Config).items()}
    distro = {"type": "object", "properties": tables, "additionalProperties": False}
    names = [name for row in distros().values() for name in (row.id, *row.aliases)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pkgrel.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **tables,
            **{name.value: _object(FormatSettings) for name in Format},
            "distro": {
                "type": "object",
                "properties": dict.fromkeys(names, distro),
                "additionalProperties": False,
            },
        },
    }


def _object(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    properties = {}
    for field in dataclasses.fields(cls):
        described = _type(hints[field.name]) | {"description": field.metadata["doc"]}
        if field.default not in (dataclasses.MISSING, None, "", (), 0):
            described["default"] = field.default
        properties[field.name.replace("_", "-")] = described
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _type(wanted: Any) -> dict[str, Any]:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _type(arguments[0])
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _object(wanted)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return {"enum": list(wanted)}
    return {"type": _TYPES[wanted]}
