"""Reads an .rpm: lead, signature header, header, payload; docs/manual/format_v4.md of rpm 4.20."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pkgrel.artifact.compression import NAMES, decompress
from pkgrel.artifact.model import Artifact, Take
from pkgrel.artifact.rpm import files, metadata, rules
from pkgrel.artifact.rpm.digests import Digests
from pkgrel.artifact.rpm.header import Blob, Header, read_blob
from pkgrel.artifact.stream import Stream, region
from pkgrel.distro import Format
from pkgrel.errors import PackageError
from pkgrel.package import Version
from pkgrel.rpm_tags import SignatureTag, Tag

_LEAD = 96

# rpm reads several gzip members and zstd frames, and fails at a second xz stream.
_SEVERAL = frozenset(["gzip", "zstd"])


def read(file: Path, *, unpack: bool, take: Take | None) -> Artifact:
    """Read the whole file, payload and all; PackageError if rpm would not install it."""
    with file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        signature, header = _headers(source)
        digests = Digests(header, signature)
        verified = digests.verify_header()
        packed = digests.packed(region(source.read, size - source.tell()))
        compressor, packed = _compressor(header, packed)
        if unpack or not digests.cover_payload:
            blocks = decompress(packed, compressor, several=_SEVERAL)
            entries = files.read(header, Stream(digests.unpacked(blocks)), take)
        else:
            deque(packed, maxlen=0)
            entries = files.listed(header)
        verified += digests.verify_payload()
        source.seek(0)
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    return Artifact(
        file=file,
        format=Format.RPM,
        name=header.text(Tag.NAME),
        version=Version(
            epoch=header.number(Tag.EPOCH, 0),
            upstream=header.text(Tag.VERSION),
            revision=header.text(Tag.RELEASE),
        ),
        architecture=header.text(Tag.ARCH),
        metadata=metadata.fields(header),
        relations=metadata.relations(header),
        scripts=metadata.scripts(header),
        changelog=metadata.changelog(header),
        conffiles=tuple(str(entry.path) for entry in entries if "conffile" in entry.flags),
        entries=entries,
        size=size,
        sha256=sha256,
        content_sha256=digests.content(),
        payload_size=digests.payload_size,
        compression=compressor,
        digests=verified,
        signatures=digests.signatures(),
        header=header,
    )


def resigned(artifact: Artifact, file: Path) -> Artifact:
    """The artifact with what a signature changes; PackageError if more than that has changed."""
    with file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        signature, header = _headers(source)
        digests = Digests(header, signature)
        deque(digests.packed(region(source.read, size - source.tell())), maxlen=0)
        source.seek(0)
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    if digests.content() != artifact.content_sha256:
        raise PackageError(f"is not the package {artifact.file} with a signature")
    return replace(
        artifact,
        file=file,
        size=size,
        sha256=sha256,
        signatures=digests.signatures(),
        header=header,
    )


def _headers(source: BinaryIO) -> tuple[Blob, Header]:
    lead = source.read(_LEAD)
    if len(lead) < _LEAD:
        raise PackageError("truncated: it ends before its signature header")
    signature = read_blob(source, "signature header", SignatureTag.HEADERSIGNATURES)
    source.seek(-len(signature.raw) % 8, os.SEEK_CUR)
    start = source.tell()
    header = Header(signature, read_blob(source, "header", Tag.HEADERIMMUTABLE), start)
    rules.verify(header)
    return signature, header


def _compressor(header: Header, packed: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """Return what rpm would use, and the payload again: a first look takes its first piece."""
    name = header.text(Tag.PAYLOADCOMPRESSOR) or "gzip"
    if name not in NAMES:
        raise PackageError(f"its payload is compressed with `{name}`, which nobody knows")
    first = next(packed, b"")
    # rpm's gzip reader hands through what is not gzip: so are payloads stored uncompressed.
    if name == "gzip" and first.startswith(b"0707"):
        name = "none"
    return name, _again(first, packed)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
