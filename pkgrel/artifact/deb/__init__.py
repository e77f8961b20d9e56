"""Reads a .deb: deb(5)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pkgrel.artifact.compression import decompress
from pkgrel.artifact.deb import metadata, payload, stanza
from pkgrel.artifact.deb.archive import Archive, Member, open_archive
from pkgrel.artifact.model import Artifact, Entry, Take
from pkgrel.artifact.stream import Stream
from pkgrel.distro import Format

# dpkg reads the members of several gzip streams, and only the first of several xz or zstd streams.
_SEVERAL = frozenset(["gzip"])


def read(file: Path, take: Take | None) -> Artifact:
    """Read the whole file, payload and all; PackageError if dpkg would not install it."""
    with open_archive(file) as archive:
        about = metadata.read_control(_stream(archive.control))
        conffiles = frozenset(line for line in about.conffiles if line.startswith("/"))
        contents = dict.fromkeys(metadata.changelog_paths(about.fields["Package"]), b"")
        wanted = payload.Wanted(conffiles, about.md5sums, contents, take)
        entries = tuple(payload.read(_stream(archive.data), wanted))
    return _artifact(file, archive, about, entries, contents)


def _stream(member: Member) -> Stream:
    return Stream(decompress(member.pieces(), member.compressor, several=_SEVERAL))


def _artifact(
    file: Path,
    archive: Archive,
    about: metadata.Control,
    entries: tuple[Entry, ...],
    contents: Mapping[str, bytes],
) -> Artifact:
    relations = {
        kind: tuple(
            " ".join(item.split()) for item in about.fields[kind].split(",") if item.strip()
        )
        for kind in metadata.RELATIONS
        if kind in about.fields
    }
    with file.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    return Artifact(
        file=file,
        format=Format.DEB,
        name=about.fields["Package"],
        version=stanza.version(about.fields["Version"]),
        architecture=about.fields["Architecture"],
        metadata={name: text for name, text in about.fields.items() if name not in relations},
        relations=relations,
        scripts=about.scripts,
        control_files=about.others,
        changelog=metadata.changelog(about.fields["Package"], contents),
        conffiles=about.conffiles,
        entries=entries,
        size=file.stat().st_size,
        sha256=sha256,
        content_sha256=sha256,
        payload_size=archive.data.size,
        compression=archive.data.compressor,
        digests=("md5sums",) if about.md5sums else (),
        signatures=tuple(name for name in archive.others if name.startswith("_gpg")),
        control=about.fields,
    )
