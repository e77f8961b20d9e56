"""What the header says of the package as a whole: its preamble, payload and scriptlets.

Source: build/parsePreamble.c, build/parseScript.c and build/pack.c of rpm 4.20; docs/manual/tags.md;
rpm-scriptlets(7).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel import __version__
from pkgrel.errors import PackageError
from pkgrel.formats import architectures
from pkgrel.formats.compression import level_of
from pkgrel.formats.encoding import description_lines
from pkgrel.formats.payload import Payload
from pkgrel.formats.rpm.header import Value
from pkgrel.package import Change, MaintainerScripts, Package
from pkgrel.rpm_tags import SHA256, AnyTag, Sense, Tag

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
"""Texts that a package may have in place of ours, or besides them."""
COMPILER_OPTIONS = "-O2 -g"
"""rpm's default: nothing is compiled here, but readers may expect the tag."""


def name_version_release(package: Package) -> str:
    """What rpm calls NVR."""
    return f"{package.name}-{package.version.upstream}-{package.version.revision}"


def tags(package: Package) -> dict[AnyTag, Value]:
    """Everything but files, relations, scriptlets and payload; PackageError for what rpm refuses."""
    _check(package)
    row = architectures.find(package.architecture)
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
        # There is none, but a package that names none is a source package to rpm.
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
    """What rpmbuild refuses in a preamble, and repositories in a package."""
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
    """How to unpack the payload, and digests of it before and after compression."""
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
    """A scriptlet that is there."""

    text: str
    tag: Tag
    program: Tag
    sense: int
    """In a requirement: when its interpreter must be installed."""


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
    """Texts, without blank space behind them as rpmbuild writes them, and interpreters."""
    found: dict[AnyTag, Value] = {}
    for scriptlet in scriptlets(scripts):
        found[scriptlet.tag] = scriptlet.text.rstrip()
        found[scriptlet.program] = INTERPRETER
    return found
