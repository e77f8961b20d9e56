"""docs/reference.md, made from the dataclasses: every key of pkgrel.toml with its default."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.config.table import key_of

_INTRODUCTION = """\
# Reference of pkgrel.toml

Written by `pkgrel schema --markdown`. The only key that must be there is `package.maintainer`; a key
that pkgrel does not know is an error. Paths of files are relative to pkgrel.toml. NAME is the name of
the package.

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


def reference_page() -> str:
    """The page."""
    hints = get_type_hints(Config)
    parts = [_INTRODUCTION]
    for field in dataclasses.fields(Config):
        parts += _table(key_of(field.name), hints[field.name], field)
    parts.append(
        "## [deb], [rpm]\n\nThey take the place of the same keys of [package], for one format only.\n\n"
        + _rows(FormatSettings)
    )
    return "\n".join(parts)


def _table(path: str, wanted: Any, field: dataclasses.Field[Any]) -> Iterator[str]:
    """A section for the table, then one for each table in it."""
    if get_origin(wanted) is tuple:
        cls = get_args(wanted)[0]
        yield f"## [[{path}]]\n\n{_sentence(cls)}\n\n{_rows(cls)}"
    elif get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        cls = get_args(wanted)[1]
        path = path if field.metadata.get("rest") else f"{path}.NAME"
        yield f"### [{path}]\n\n{_sentence(cls)}\n\n{_rows(cls)}"
        yield from _inner(path, cls)
    elif get_origin(wanted) is dict:
        level = "##" if "." not in path else "###"
        yield f"{level} [{path}]\n\n{field.metadata['doc']}\n"
    else:
        level = "##" if "." not in path else "###"
        yield f"{level} [{path}]\n\n{_sentence(wanted)}\n\n{_rows(wanted)}"
        yield from _inner(path, wanted)


def _inner(path: str, cls: type) -> Iterator[str]:
    """The tables in a table; those with names of the user's own, beside its keys, stand directly in it."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if _is_table(hints[field.name]):
            name = "GROUP" if field.metadata.get("rest") else key_of(field.name)
            yield from _table(f"{path}.{name}", hints[field.name], field)


def _sentence(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _is_table(wanted: Any) -> bool:
    return get_origin(wanted) is dict or dataclasses.is_dataclass(wanted)


def _rows(cls: type) -> str:
    hints = get_type_hints(cls)
    lines = ["| key | value | default | |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        wanted = hints[field.name]
        if not _is_table(wanted):
            cells = (
                f"`{key_of(field.name)}`",
                _kind(wanted),
                _default(field.default),
                field.metadata["doc"].replace("|", "\\|"),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
    """As TOML; nothing for what is empty, whose text says what happens then."""
    if value is dataclasses.MISSING or value in (None, "", ()):
        return ""
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"
