"""Makes the record of an .rpm in a yum repository: its pool path and its elements of the metadata; and sorts versions.

XML is written by hand, since ElementTree would take a hundred times as long for a channel. Of the relations, as in
createrepo_c, these are left out: `rpmlib(…)`, which concerns only rpm; requirements that the package itself provides;
and duplicates.

Source: rpm-version(7); rpmio/rpmvercmp.c and lib/rpmver.c of rpm 4.20; the output of createrepo_c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cmp_to_key
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from pkgrel.artifact import Artifact, Entry, Kind
from pkgrel.artifact.rpm.header import Header
from pkgrel.distro import Distro, Format
from pkgrel.errors import PackageError, SigningError
from pkgrel.repository.record import Advisory, Placed, Record
from pkgrel.rpm_tags import RELATIONS, SignatureTag, Tag
from pkgrel.signing import Signer
from pkgrel.signing import rpm as rpm_signing

# XML 1.0 cannot represent most control characters; a brace would be mistaken for `{href}`.
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
"""PREREQ, SCRIPT_PRE, SCRIPT_POST: needed during the installation already."""


def text(value: str) -> str:
    """Escape text between tags."""
    return unicode(value).translate(_TEXT)


def attribute(value: str) -> str:
    """Escape text between double quotes."""
    return unicode(value).translate(_ATTRIBUTE)


def unicode(value: str) -> str:
    """Decode bytes that are not UTF-8 as Latin-1, which old packages used."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape").decode("latin-1")
    return value


class Relation(NamedTuple):
    """A name, optionally with a version."""

    name: str
    comparison: str
    """`EQ`, `GE` and so on; empty for any version."""
    version: str
    before: bool


def relation_elements(header: Header, files: Set[str]) -> Iterator[str]:
    """The relations as elements; `files` are the package's files in primary."""
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
    if relation.comparison and relation.version:  # rpm accepts an empty one, libsolv does not
        words += [f'flags="{relation.comparison}"', *_version(relation.version)]
    if relation.before:
        words.append('pre="1"')
    return f"      <rpm:entry {' '.join(words)}/>"


def _version(version: str) -> Iterator[str]:
    """The present parts of `[epoch:]version[-release]`; without an epoch it is 0."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version if not colon else rest
    upstream, _, release = rest.partition("-")
    yield f'epoch="{epoch}"'
    for name, value in (("ver", upstream), ("rel", release)):
        if value:
            yield f'{name}="{attribute(value)}"'


FOLDER = "rpm/"
ANY_ARCHITECTURE = "noarch"
ARCHITECTURES = frozenset(
    "noarch x86_64 x86_64_v2 x86_64_v3 aarch64 armv7hl i386 i486 i586 i686 loongarch64 ppc64le"
    " riscv64 s390x".split()
)
MACHINES = {"i386": "i?86", "armhfp": "armv7*"}
DEFAULT_ARCHITECTURES = ("x86_64", "aarch64")
_INDEX_ARCHITECTURES = {
    **dict.fromkeys(("i386", "i486", "i586", "i686"), ("i386", "x86_64")),
    "armv7hl": ("armhfp",),
    "x86_64_v2": ("x86_64",),
    "x86_64_v3": ("x86_64",),
}
"""By architecture of packages: the $basearch of clients, if it differs. Hosts of x86_64 also run i386 to i686.
Source: rpm/arch.py and base.py of dnf 4.14, libdnf5/utils/dnf4convert of dnf5."""
INDEX_TEXTS = 3
"""Elements of primary, filelists and other."""
HAS_ADVISORIES = SIGNS_PACKAGES = True

_PIECES = re.compile(r"\d+|[A-Za-z]+|~|\^")

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^-]*")
_SOURCEPACKAGE = 1106
HREF = "{href}"
"""Placeholder for the path of the package, which depends on the location of the metadata."""
_CHANGES = 10
"""Maximum number of changelog entries; with a thousand per package, `other` was larger than all the rest."""
_FORMAT_TAGS = {
    "license": Tag.LICENSE,
    "vendor": Tag.VENDOR,
    "group": Tag.GROUP,
    "buildhost": Tag.BUILDHOST,
    "sourcerpm": Tag.SOURCERPM,
}
_ARCHIVE_SIZES = (SignatureTag.LONGARCHIVESIZE, SignatureTag.PAYLOADSIZE)


def compare(one: str, other: str) -> int:
    """Negative, 0 or positive, for `[epoch:]version[-release]`."""
    for mine, theirs in zip(version_parts(one), version_parts(other), strict=True):
        if order := _segments(mine, theirs):
            return order
    return 0


version_key = cmp_to_key(compare)


def index_architectures(architecture: str) -> tuple[str, ...]:
    """The $basearch of the clients for packages of the architecture."""
    return _INDEX_ARCHITECTURES.get(architecture, (architecture,))


def version_parts(text: str) -> tuple[str, str, str]:
    """Epoch, version and release of `[epoch:]version[-release]`."""
    epoch, colon, rest = text.rpartition(":")
    version, _, release = rest.partition("-")
    return epoch if colon else "0", version, release


def _segments(one: str, other: str) -> int:
    """rpmvercmp: digits sort after letters, `~` before the end, `^` after it."""
    for mine, theirs in zip_longest(_PIECES.findall(one), _PIECES.findall(other), fillvalue=""):
        if mine == theirs:
            continue
        if order := _special(mine, theirs):
            return order
        if mine.isdigit() and theirs.isdigit():
            if int(mine) != int(theirs):
                return -1 if int(mine) < int(theirs) else 1
            continue
        if mine.isdigit() != theirs.isdigit():
            return 1 if mine.isdigit() else -1
        return -1 if mine < theirs else 1
    return 0


def _special(mine: str, theirs: str) -> int:
    """The order that `~`, `^` or the end decide; 0 if none of them is there."""
    weights = {"~": -2, "": -1, "^": 0}
    weight, other = weights.get(mine, 1), weights.get(theirs, 1)
    return weight - other if min(weight, other) < 1 else 0


def new_record(artifact: Artifact, distro: Distro, published: int, advisory: Advisory) -> Record:
    """The record of a package; PackageError if its name or version has unusual characters."""
    return replace(
        make_record(artifact, pool_key(artifact, distro.id), published), advisory=advisory
    )


def sign_package(file: Path, signer: Signer, output: Path) -> bool:
    """Write a signed copy, as dnf and zypper require; False if the file is signed by this key already."""
    return rpm_signing.sign(file, signer, output)


def distrust(file: Path, signer: Signer) -> str:
    """Why dnf and zypper would refuse the file; empty if they would not."""
    try:
        with file.open("rb") as source:
            rpm_signing.verify(source, signer.public_key_binary)
    except SigningError as e:
        return str(e)
    return ""


def order(package: Placed) -> tuple[str, str, str]:
    """By name, as in createrepo_c's output."""
    return package.name, package.architecture, package.path


def pool_key(artifact: Artifact, distro_id: str) -> str:
    """rpm/<distro>/pool/<letter>/<file>, for all channels of a distro; PackageError for unusual names or versions.

    S3 decodes a `+` in a URL as a space, and yum, zypper, and dnf5 before 5.2 escape neither `+` nor `^`. So both are
    replaced by `_`; package tools do not depend on the names of files.
    """
    version, revision = artifact.version.upstream, artifact.version.revision
    file = f"{artifact.name}-{version}-{revision}.{architecture(artifact)}.rpm"
    if not _FILE_NAME.fullmatch(file):
        raise PackageError(
            f"{artifact.file}: `{file}` is not the name of a package's file", hint="build it anew"
        )
    file = file.replace("+", "_").replace("^", "_")
    return f"{FOLDER}{distro_id}/pool/{file[0].lower()}/{file}"


def architecture(artifact: Artifact) -> str:
    """The architecture in the file name: `src` for a source package, whatever it was built on.

    Like rpm, dnf and createrepo_c, a package that names no source package is one; headerIsSource() in lib/headerutil.c.
    """
    header = artifact.header
    is_source = header and (header.number(_SOURCEPACKAGE, 0) or not header.text(Tag.SOURCERPM))
    return "src" if is_source else artifact.architecture


def make_record(artifact: Artifact, key: str, published: int) -> Record:
    """The record of a package, with its elements of the metadata."""
    if artifact.header is None:
        raise PackageError(f"{artifact.file}: is not an rpm", hint="publish it into a suite of apt")
    newest = artifact.changelog[0].lines if artifact.changelog else ()
    return Record(
        format=Format.RPM,
        name=artifact.name,
        version=str(artifact.version),
        architecture=architecture(artifact),
        path=key,
        size=artifact.size,
        sha256=artifact.sha256,
        content_sha256=artifact.content_sha256,
        published=published,
        index=(
            _primary(artifact, artifact.header, published),
            _package_element(artifact, map(_file_element, artifact.entries)),
            _package_element(artifact, _changes(artifact.header)),
        ),
        changelog=unicode("\n".join(newest)),
        summary=unicode(artifact.metadata.get("Summary", "")),
    )


def _primary(artifact: Artifact, header: Header, published: int) -> str:
    files = [entry for entry in artifact.entries if _is_primary(str(entry.path))]
    lines = [
        '<package type="rpm">',
        f"  <name>{text(artifact.name)}</name>",
        f"  <arch>{text(architecture(artifact))}</arch>",
        f"  {_version_element(artifact)}",
        f'  <checksum type="sha256" pkgid="YES">{artifact.sha256}</checksum>',
        f"  <summary>{text(header.text(Tag.SUMMARY))}</summary>",
        f"  <description>{text(header.text(Tag.DESCRIPTION))}</description>",
        f"  <packager>{text(header.text(Tag.PACKAGER))}</packager>",
        f"  <url>{text(header.text(Tag.URL))}</url>",
        f'  <time file="{published}" build="{header.number(Tag.BUILDTIME, 0)}"/>',
        f"  {_sizes(artifact, header)}",
        f'  <location href="{HREF}"/>',
        "  <format>",
        *(
            f"    <rpm:{name}>{text(header.text(tag))}</rpm:{name}>"
            for name, tag in _FORMAT_TAGS.items()
        ),
        f'    <rpm:header-range start="{header.start}" end="{header.start + len(header.main.raw)}"/>',
        *relation_elements(header, {str(entry.path) for entry in files}),
        *("  " + _file_element(entry) for entry in files),
        "  </format>",
        "</package>\n",
    ]
    return "\n".join(lines)


def _package_element(artifact: Artifact, elements: Iterator[str]) -> str:
    """An element of filelists or other."""
    start = (
        f'<package pkgid="{artifact.sha256}" name="{attribute(artifact.name)}"'
        f' arch="{attribute(architecture(artifact))}">'
    )
    return "\n".join([start, f"  {_version_element(artifact)}", *elements, "</package>\n"])


def _version_element(artifact: Artifact) -> str:
    version = artifact.version
    return (
        f'<version epoch="{version.epoch}" ver="{attribute(version.upstream)}"'
        f' rel="{attribute(version.revision)}"/>'
    )


def _sizes(artifact: Artifact, header: Header) -> str:
    installed = header.number(Tag.LONGSIZE, 0) or header.number(Tag.SIZE, 0)
    stored = (header.signature.data(tag) for tag in _ARCHIVE_SIZES)
    archive = next((int.from_bytes(size, "big") for size in stored if size), 0)
    return f'<size package="{artifact.size}" installed="{installed}" archive="{archive}"/>'


def _is_primary(path: str) -> bool:
    """Whether the path belongs in primary: yum's rule, for paths that Red Hat's packages require."""
    return path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"


def _file_element(entry: Entry) -> str:
    kind = ""
    if entry.kind is Kind.DIRECTORY:
        kind = ' type="dir"'
    elif "ghost" in entry.flags:
        kind = ' type="ghost"'
    return f"  <file{kind}>{text(str(entry.path))}</file>"


def _changes(header: Header) -> Iterator[str]:
    """The newest changelog entries, oldest first, as yum expects them."""
    columns = (
        header.strings(Tag.CHANGELOGNAME),
        header.numbers(Tag.CHANGELOGTIME),
        header.strings(Tag.CHANGELOGTEXT),
    )
    newest = list(zip(*columns, strict=True))[:_CHANGES]
    for author, time, lines in reversed(newest):
        yield (
            f'  <changelog author="{attribute(author.rstrip(" "))}" date="{time}">'
            f"{text(lines)}</changelog>"
        )
