"""Every key of pkgrel.toml with its default, from the dataclasses, for docs/reference.md and pkgrel.toml(5)."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.config.table import key_of

INTRODUCTION = """\
The only key that must be there is `package.maintainer`; a key that pkgrel does not know is an error. Paths of files
are relative to pkgrel.toml. NAME is the name of the package.

Texts of [service] may name `{{ name }}`, `{{ user }}`, `{{ group }}`, `{{ unit }}` and the directories
`{{ root }}` (the release), `{{ etc }}`, `{{ state }}`, `{{ runtime }}`, `{{ cache }}` and `{{ logs }}`.

Every table can be repeated below [distro.ID], where it holds for that distro alone:
`[distro.el8.service]`, `[distro.jammy.package]`. Tables of the same name are merged key by key, lists
are replaced, arrays of tables such as [[file]] grow.

A directive that the target's systemd does not know is never written. Where it had an older name, that
one is used; where it only narrows or tunes, it is left out; where the service could not work without it
(`low-ports`, `credentials`, a prefix of `exec-start-pre`), pkgrel says so and makes no package.
"""

_WORDS: dict[Any, str] = {str: "text", int: "number", bool: "true, false"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table."""

    name: str
    kind: str
    """The type, or the possible values in backquotes."""
    default: str
    """As TOML; empty for an empty default, which `doc` explains."""
    doc: str


@dataclass(frozen=True, slots=True)
class Section:
    """A table of pkgrel.toml."""

    title: str
    """As written in the file."""
    depth: int
    """2 for a top-level table, 3 for a nested one."""
    text: str
    keys: tuple[Key, ...]
    """Empty if users choose the keys."""


def sections() -> Iterator[Section]:
    """All tables, each before the tables in it."""
    hints = get_type_hints(Config)
    for field in dataclasses.fields(Config):
        yield from _table(key_of(field.name), hints[field.name], field)
    text = "They take the place of the same keys of [package], for one format only."
    yield Section("[deb], [rpm]", 2, text, _keys(FormatSettings))


def reference_page() -> str:
    """The text of docs/reference.md."""
    head = "# Reference of pkgrel.toml\n\nWritten by `pkgrel schema --markdown`. "
    return "\n".join([head + INTRODUCTION, *map(_markdown, sections())])


def _markdown(section: Section) -> str:
    lines = [f"{'#' * section.depth} {section.title}", "", section.text, ""]
    if section.keys:
        lines += ["| key | value | default | |", "|---|---|---|---|"]
        for key in section.keys:
            default = f"`{key.default}`" if key.default else ""
            doc = key.doc.replace("|", "\\|")
            lines.append(f"| `{key.name}` | {key.kind} | {default} | {doc} |")
        lines.append("")
    return "\n".join(lines)


def _table(path: str, wanted: Any, field: dataclasses.Field[Any]) -> Iterator[Section]:
    """The section of a table, then those of the tables in it."""
    depth = 3 if "." in path else 2
    if get_origin(wanted) is tuple:
        yield _section(f"[[{path}]]", 2, get_args(wanted)[0])
    elif get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        cls = get_args(wanted)[1]
        path = path if field.metadata.get("rest") else f"{path}.NAME"
        yield _section(f"[{path}]", 3, cls)
        yield from _inner(path, cls)
    elif get_origin(wanted) is dict:
        yield Section(f"[{path}]", depth, field.metadata["doc"], ())
    else:
        yield _section(f"[{path}]", depth, wanted)
        yield from _inner(path, wanted)


def _inner(path: str, cls: type) -> Iterator[Section]:
    """The tables in a table, including those with names that users choose."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if _is_table(hints[field.name]):
            name = "GROUP" if field.metadata.get("rest") else key_of(field.name)
            yield from _table(f"{path}.{name}", hints[field.name], field)


def _section(title: str, depth: int, cls: Any) -> Section:
    return Section(title, depth, " ".join((cls.__doc__ or "").split()), _keys(cls))


def _is_table(wanted: Any) -> bool:
    return get_origin(wanted) is dict or dataclasses.is_dataclass(wanted)


def _keys(cls: type) -> tuple[Key, ...]:
    hints = get_type_hints(cls)
    return tuple(
        Key(key_of(f.name), _kind(hints[f.name]), _default(f.default), f.metadata["doc"])
        for f in dataclasses.fields(cls)
        if not _is_table(hints[f.name])
    )


def _kind(wanted: Any) -> str:
    if get_origin(wanted) in (Union, types.UnionType):
        return _kind(get_args(wanted)[0])
    if get_origin(wanted) is tuple:
        return f"list of {_kind(get_args(wanted)[0])}"
    if get_origin(wanted) is dict:
        return f"table of {_kind(get_args(wanted)[1])}"
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return ", ".join(f"`{member}`" for member in wanted)
    return _WORDS[wanted]


def _default(value: Any) -> str:
    if value is dataclasses.MISSING or value in (None, "", ()):
        return ""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
