"""A key of pkgrel.toml: a dataclass field with the text of the reference page."""

import dataclasses
from typing import Any


def key(doc: str, *, default: Any = "") -> Any:
    """A setting: what it does, and its value when it is not given."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})
