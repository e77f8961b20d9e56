"""Artifacts and differences as what json.dumps takes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any


def as_json(value: object) -> Any:
    """Turn dataclasses into objects; permissions become octal text, as `chmod` wants them."""
    if is_dataclass(value):
        return {
            field.name: _field(field.name, getattr(value, field.name))
            for field in fields(value)
            if not field.metadata.get("internal")
        }
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def _field(name: str, value: object) -> Any:
    return f"{value:04o}" if name == "mode" else as_json(value)
