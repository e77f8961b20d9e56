"""XML by hand, ElementTree would take a hundred times as long for a channel; and the relations of a package.

Of relations are left out, as createrepo_c does: `rpmlib(…)`, which is rpm's own business; what a package needs
and has itself; what is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from pkgrel.artifact.rpm.header import Header
from pkgrel.errors import PackageError
from pkgrel.rpm_tags import RELATIONS

# XML 1.0 has no way to say most control characters; a brace would be mistaken for `{href}`.
_TEXT: Mapping[int, str | None] = {
    **dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]),
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("\r"): "&#13;",
    ord("{"): "&#123;",
}
_ATTRIBUTE: Mapping[int, str | None] = {
    **_TEXT,
    ord('"'): "&quot;",
    ord("\n"): "&#10;",
    ord("\t"): "&#9;",
}

_ORDER = (
    "Provides",
    "Requires",
    "Conflicts",
    "Obsoletes",
    "Suggests",
    "Enhances",
    "Recommends",
    "Supplements",
)
_COMPARISONS = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
_BEFORE = 1 << 6 | 1 << 9 | 1 << 10
"""PREREQ, SCRIPT_PRE, SCRIPT_POST: needed already while packages are installed."""


def text(value: str) -> str:
    """What stands between tags."""
    return unicode(value).translate(_TEXT)


def attribute(value: str) -> str:
    """What stands between double quotes."""
    return unicode(value).translate(_ATTRIBUTE)


def unicode(value: str) -> str:
    """Take bytes that are not UTF-8 for Latin-1, as old packages meant them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape").decode("latin-1")
    return value


class Relation(NamedTuple):
    """A name, perhaps with a version."""

    name: str
    comparison: str
    """`EQ`, `GE`…; empty for any version."""
    version: str
    before: bool


def relation_elements(header: Header, files: Set[str]) -> Iterator[str]:
    """The elements; `files` are those of the package that primary lists."""
    provided = list(_relations(header, "Provides"))
    for kind in _ORDER:
        if kind == "Requires":
            relations = list(_needed(header, provided, files))
        else:
            relations = provided if kind == "Provides" else list(_relations(header, kind))
        if relations:
            name = kind.lower()
            yield f"    <rpm:{name}>"
            yield from map(_entry, relations)
            yield f"    </rpm:{name}>"


def _relations(header: Header, kind: str) -> Iterator[Relation]:
    names, versions, flags = RELATIONS[kind]
    columns = (header.strings(names), header.strings(versions), header.numbers(flags))
    if len({len(column) for column in columns}) > 1:
        raise PackageError(f"its {kind} have names without versions")
    for name, version, bits in zip(*columns, strict=True):
        yield Relation(
            name,
            _COMPARISONS.get(bits & 15, ""),
            version,
            kind == "Requires" and bool(bits & _BEFORE),
        )


def _needed(header: Header, provided: Sequence[Relation], files: Set[str]) -> Iterator[Relation]:
    passed: set[Relation] = set()
    has = set(provided)
    for relation in _relations(header, "Requires"):
        is_own = relation.name in files or relation._replace(before=False) in has
        if not (is_own or relation in passed or relation.name.startswith("rpmlib(")):
            passed.add(relation)
            yield relation


def _entry(relation: Relation) -> str:
    words = [f'name="{attribute(relation.name)}"']
    if relation.comparison and relation.version:  # rpm takes any version, and libsolv none
        words += [f'flags="{relation.comparison}"', *_version(relation.version)]
    if relation.before:
        words.append('pre="1"')
    return f"      <rpm:entry {' '.join(words)}/>"


def _version(version: str) -> Iterator[str]:
    """The parts of `[epoch:]version[-release]` that are there; no epoch is 0."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version if not colon else rest
    upstream, _, release = rest.partition("-")
    yield f'epoch="{epoch}"'
    for name, value in (("ver", upstream), ("rel", release)):
        if value:
            yield f'{name}="{attribute(value)}"'
