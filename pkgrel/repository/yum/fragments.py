"""A package's elements of primary, filelists and other."""

from collections.abc import Iterator

from pkgrel.artifact import Artifact, Entry, Kind
from pkgrel.artifact.rpm.header import Header
from pkgrel.distro import Format
from pkgrel.errors import PackageError
from pkgrel.repository.record import Record
from pkgrel.repository.yum import relations
from pkgrel.repository.yum.pool import architecture
from pkgrel.repository.yum.xml import attribute, text, unicode
from pkgrel.rpm_tags import Tag

HREF = "{href}"
"""Stands for the place of the package, which depends on that of the metadata."""

_CHANGES = 10
"""Of the changelog; a thousand of each package made `other` larger than all the rest."""
_FORMAT = {
    "license": Tag.LICENSE,
    "vendor": Tag.VENDOR,
    "group": Tag.GROUP,
    "buildhost": Tag.BUILDHOST,
    "sourcerpm": Tag.SOURCERPM,
}
# Tags of the signature header, each with the one that old packages have in the main header.
_ARCHIVE_SIZES = (271, 1007)


def record(artifact: Artifact, key: str, published: int) -> Record:
    """What the metadata say of the package."""
    if artifact.header is None:
        raise PackageError(f"{artifact.file}: is no rpm", hint="publish it into a suite of apt")
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
            _package(artifact, map(_file, artifact.entries)),
            _package(artifact, _changes(artifact.header)),
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
        f"  {_version(artifact)}",
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
            for name, tag in _FORMAT.items()
        ),
        f'    <rpm:header-range start="{header.start}" end="{header.start + len(header.main.raw)}"/>',
        *relations.elements(header, {str(entry.path) for entry in files}),
        *("  " + _file(entry) for entry in files),
        "  </format>",
        "</package>\n",
    ]
    return "\n".join(lines)


def _package(artifact: Artifact, elements: Iterator[str]) -> str:
    """An element of filelists or other."""
    start = (
        f'<package pkgid="{artifact.sha256}" name="{attribute(artifact.name)}"'
        f' arch="{attribute(architecture(artifact))}">'
    )
    return "\n".join([start, f"  {_version(artifact)}", *elements, "</package>\n"])


def _version(artifact: Artifact) -> str:
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
    """Whether yum wants it in primary: the paths that packages of Red Hat's require."""
    return path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"


def _file(entry: Entry) -> str:
    kind = ""
    if entry.kind is Kind.DIRECTORY:
        kind = ' type="dir"'
    elif "ghost" in entry.flags:
        kind = ' type="ghost"'
    return f"  <file{kind}>{text(str(entry.path))}</file>"


def _changes(header: Header) -> Iterator[str]:
    """The newest entries, the oldest of them first, as yum wants them."""
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
