"""The output of `--json`: documented, versioned shapes, which tests validate against their JSON schemas.

The shapes are the data of outputs.toml. Source: JSON Schema 2020-12,
https://json-schema.org/draft/2020-12/json-schema-core.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import click

Schema = dict[str, Any]

NAMES = (
    "build bundle-codedeploy check check-rules deploy deploy-setup diff diff-upgrade distros doctor fleet-reports"
    " fleet-status images-build images-build-print images-list images-prune init inspect messages nix publish"
    " publish-upload repo-audit repo-client repo-doctor repo-gc repo-import repo-init repo-list repo-phase repo-promote"
    " repo-prune repo-remove repo-rollback repo-rollback-list repo-set repo-sync repo-verify show sign try verify"
).split()
"""What `pkgrel schema --output` knows; `all` is the page about them."""

_WORDS = {"text": "string", "number": "integer", "decimal": "number", "boolean": "boolean"}

_INTRODUCTION = """\
# Output for programs

Written by `pkgrel schema --output all --markdown`. `--json` makes a command print one JSON document on standard
output; its JSON schema is `pkgrel schema --output NAME`. Messages go to standard error, each a line of JSON with
the shape `messages`; an error has its `subject`, `reason` and `remedy`.

These are the shapes of version {version}, which stands at the end of a schema's `$id`. A version gets new keys, but
none goes and none changes its meaning.

One vocabulary: `path` is a file, in a package a path on the host, in a repository an object's key. `version` is a
text, as dpkg and rpm compare it. `architecture` of a package is its format's word (`amd64`, `x86_64`), of a
release the kernel's (`x86_64`), of an image Docker's (`amd64`). Sizes are bytes; times are seconds since 1970, UTC.
"""


def emit(document: object) -> None:
    """Print a command's result as JSON; dataclasses become objects."""
    click.echo(json.dumps(plain(document), indent=2))


def plain(value: object) -> Any:
    """Dataclasses as objects, permissions as octal text as `chmod` wants them, and text for all that is one."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if not is_dataclass(value) or type(value).__str__ is not object.__str__:
        return str(value)  # a path, a date, a version
    return {
        field.name: _field(field.name, getattr(value, field.name))
        for field in fields(value)
        if not field.metadata.get("internal")
    }


def _field(name: str, value: object) -> Any:
    return f"{value:04o}" if name == "mode" else plain(value)


@cache
def _outputs() -> Mapping[str, Any]:
    import tomllib
    from importlib import resources

    text = resources.files(__package__).joinpath("outputs.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def output_schema(name: str) -> Schema:
    """The JSON schema of what the command prints."""
    outputs = _outputs()
    definitions: dict[str, Schema] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pkgrel:output:{name}:{outputs['version']}",
        "title": name,
        **_type(outputs["commands"][name], definitions),
        "$defs": definitions,
    }


def _type(text: str, definitions: dict[str, Schema]) -> Schema:
    kind, _, inner = text.partition(" of ")
    if kind == "list" and inner:
        return {"type": "array", "items": _type(inner, definitions)}
    if kind == "map" and inner:
        return {"type": "object", "additionalProperties": _type(inner, definitions)}
    if text.endswith(" or null"):
        return {"anyOf": [_type(text.removesuffix(" or null"), definitions), {"type": "null"}]}
    if text in _WORDS:
        return {"type": _WORDS[text]}
    if text not in definitions:
        definitions[text] = {}  # a shape may be recursive
        definitions[text] = _object(_outputs()["shapes"][text], definitions)
    return {"$ref": f"#/$defs/{text}"}


def _object(shape: Mapping[str, str], definitions: dict[str, Schema]) -> Schema:
    properties, required = {}, []
    for key, described in shape.items():
        kind, _, text = described.partition(": ")
        properties[key] = _type(kind.removeprefix("optional "), definitions) | {"description": text}
        if not kind.startswith("optional "):
            required.append(key)
    return {"type": "object", "properties": properties, "required": required}


def outputs_page() -> str:
    """docs/json.md: every command and every shape."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    outputs = _outputs()
    yield _INTRODUCTION.format(version=outputs["version"])
    yield from ("| output of | is |", "|---|---|")
    for name, kind in outputs["commands"].items():
        yield f"| `{name}` | {_linked(kind)} |"
    for name, shape in outputs["shapes"].items():
        yield from ("", f"## {name}", "", "| key | type | |", "|---|---|---|")
        for key, described in shape.items():
            kind, _, text = described.partition(": ")
            yield f"| `{key}` | {_linked(kind)} | {text} |"
    yield ""


def _linked(kind: str) -> str:
    """The type, with links to the shapes that it names."""
    words = kind.split()
    return " ".join(f"[{w}](#{w})" if w in _outputs()["shapes"] else w for w in words)
