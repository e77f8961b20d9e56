"""The main header's tags for the preamble, the payload and the scriptlets, and the encoding of a tag's values.

`pkgrel.rpm_header` stores a header's index and data.

Source: build/parsePreamble.c, build/parseScript.c and build/pack.c of rpm 4.20; docs/manual/tags.md;
rpm-scriptlets(7).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pkgrel import __version__, rpm_header
from pkgrel.errors import PackageError
from pkgrel.formats import encoding
from pkgrel.formats.compression import level_of
from pkgrel.formats.encoding import description_lines
from pkgrel.formats.payload import Payload
from pkgrel.package import Change, MaintainerScripts, Package
from pkgrel.rpm_tags import SHA256, AnyTag, Sense, Tag, Type

INTEGERS = {Type.INT16: "H", Type.INT32: "I", Type.INT64: "Q"}
MOST_VALUES = (1 << 20) - 1
MOST_BYTES = 256 << 20

Value = Sequence[int] | Sequence[str] | str | bytes


def encode(tags: Mapping[AnyTag, Value], *, region: AnyTag) -> bytes:
    """Serialise the header; tags with empty values are left out, since rpm refuses empty arrays."""
    stored: dict[int, rpm_header.Value] = {
        tag: rpm_header.Value(tag.type, *_stored(tag, value))
        for tag, value in tags.items()
        if value
    }
    encoded = rpm_header.encode(stored, region)
    if len(encoded) > MOST_BYTES:
        raise PackageError(f"an rpm's header can have {MOST_BYTES} bytes, not {len(encoded)}")
    return encoded


def _stored(tag: AnyTag, value: Value) -> tuple[int, bytes]:
    """A tag's count and data; PackageError for what its type cannot hold."""
    match tag.type, value:
        case Type.BIN, bytes():
            return len(value), value
        case Type.STRING | Type.I18NSTRING, str():
            return 1, _strings(tag, [value])
        case _ if len(value) > MOST_VALUES:
            raise PackageError(
                f"{tag.name} of an rpm can have {MOST_VALUES} values, not {len(value)}"
            )
        case Type.STRING_ARRAY, _:
            return len(value), _strings(tag, cast(Sequence[str], value))
        case _:
            return len(value), _integers(tag, cast(Sequence[int], value))


def _strings(tag: AnyTag, texts: Sequence[str]) -> bytes:
    joined = "\0".join(texts)
    if joined.count("\0") >= len(texts):
        raise PackageError(f"{tag.name} of an rpm cannot hold a null character")
    try:
        return joined.encode() + b"\0"
    except UnicodeEncodeError as error:
        # The tag ENCODING promises UTF-8.
        bad = error.object[error.start : error.end].encode(errors="surrogateescape")
        raise PackageError(f"{tag.name} of an rpm must be UTF-8, which {bad!r} is not") from None


def _integers(tag: AnyTag, numbers: Sequence[int]) -> bytes:
    try:
        return struct.pack(f">{len(numbers)}{INTEGERS[tag.type]}", *numbers)
    except struct.error as error:
        raise PackageError(f"{tag.name} of an rpm cannot hold such a number: {error}") from None


BUILD_HOST = "localhost"
"""Whoever builds it, the bytes are the same."""
GROUP = "Unspecified"
OWN_TAGS = {
    "BugURL": Tag.BUGURL,
    "BuildHost": Tag.BUILDHOST,
    "Distribution": Tag.DISTRIBUTION,
    "Group": Tag.GROUP,
    "Packager": Tag.PACKAGER,
    "VCS": Tag.VCS,
}
"""Tags that the setting `tags` may override or add."""
COMPILER_OPTIONS = "-O2 -g"
"""rpm's default; nothing is compiled, but readers may expect the tag."""


def name_version_release(package: Package) -> str:
    """name-version-release, which rpm calls NVR."""
    return f"{package.name}-{package.version.upstream}-{package.version.revision}"


def tags(package: Package) -> dict[AnyTag, Value]:
    """Tags other than those of files, relations, scriptlets and payload; PackageError for values that rpm refuses."""
    _check(package)
    row = encoding.find_architecture(package.architecture)
    version = package.version
    return {
        Tag.I18NTABLE: ["C"],
        Tag.NAME: package.name,
        Tag.VERSION: version.upstream,
        Tag.RELEASE: version.revision,
        Tag.EPOCH: [version.epoch] if version.epoch else [],
        Tag.SUMMARY: package.summary,
        Tag.DESCRIPTION: "\n".join(description_lines(package.description)),
        Tag.BUILDTIME: [package.build_time],
        Tag.BUILDHOST: BUILD_HOST,
        Tag.VENDOR: package.vendor,
        Tag.LICENSE: package.license,
        Tag.PACKAGER: package.maintainer,
        Tag.GROUP: GROUP,
        Tag.URL: package.homepage,
        Tag.OS: "linux",
        Tag.ARCH: row.rpm,
        # There is no source package, but without the tag rpm takes this for one.
        Tag.SOURCERPM: f"{name_version_release(package)}.src.rpm",
        Tag.RPMVERSION: f"pkgrel {__version__}",
        Tag.OPTFLAGS: COMPILER_OPTIONS,
        Tag.PLATFORM: f"{row.rpm}-redhat-linux-gnu{'eabi' if row.kernel == 'armv7l' else ''}",
        Tag.ENCODING: "utf-8",
        Tag.CHANGELOGTIME: [change.time for change in package.changelog],
        Tag.CHANGELOGNAME: [f"{change.author} - {change.version}" for change in package.changelog],
        Tag.CHANGELOGTEXT: [_text(change) for change in package.changelog],
        **{OWN_TAGS[name]: text for name, text in package.tags.items()},
    }


def _check(package: Package) -> None:
    """PackageError for what rpmbuild refuses in a preamble, and repositories in a package."""
    said = {
        "Name": package.name,
        "Version": package.version.upstream,
        "Release": package.version.revision,
        "Summary": package.summary,
        "License": package.license,
    }
    for field, value in said.items():
        if not value.strip() or "\n" in value:
            raise PackageError(f"{field} of an rpm must be one line, not {value!r}")
    for field in ("Version", "Release"):
        if "-" in said[field]:
            raise PackageError(f"{field} of an rpm cannot have a hyphen: `{said[field]}`")


def payload_tags(package: Package, payload: Payload) -> dict[AnyTag, Value]:
    """Format and compressor of the payload, and its digests before and after compression."""
    return {
        Tag.PAYLOADFORMAT: "cpio",
        Tag.PAYLOADCOMPRESSOR: package.compression.value,
        Tag.PAYLOADFLAGS: str(level_of(package.compression, package.level)),
        Tag.PAYLOADSHA256: [payload.packed.sha256],
        Tag.PAYLOADSHA256ALGO: [SHA256],
        Tag.PAYLOADSHA256ALT: [payload.plain.sha256],
    }


def _text(change: Change) -> str:
    return "\n".join(f"- {line}" for line in change.lines)


INTERPRETER = "/bin/sh"


@dataclass(frozen=True, slots=True)
class Scriptlet:
    """A scriptlet of the package."""

    text: str
    tag: Tag
    program: Tag
    sense: int
    """The flag of the requirement on its interpreter: when it must be installed."""


def scriptlets(scripts: MaintainerScripts) -> Iterator[Scriptlet]:
    """The scriptlets that a package has."""
    every = (
        Scriptlet(scripts.before_install, Tag.PREIN, Tag.PREINPROG, Sense.PRE),
        Scriptlet(scripts.after_install, Tag.POSTIN, Tag.POSTINPROG, Sense.POST),
        Scriptlet(scripts.before_remove, Tag.PREUN, Tag.PREUNPROG, Sense.PREUN),
        Scriptlet(scripts.after_remove, Tag.POSTUN, Tag.POSTUNPROG, Sense.POSTUN),
        Scriptlet(scripts.after_transaction, Tag.POSTTRANS, Tag.POSTTRANSPROG, Sense.POSTTRANS),
    )
    return (scriptlet for scriptlet in every if scriptlet.text.strip())


def scriptlet_tags(scripts: MaintainerScripts) -> dict[AnyTag, Value]:
    """Bodies, without trailing white space as rpmbuild writes them, and interpreters."""
    found: dict[AnyTag, Value] = {}
    for scriptlet in scriptlets(scripts):
        found[scriptlet.tag] = scriptlet.text.rstrip()
        found[scriptlet.program] = INTERPRETER
    return found
