"""Reads an .rpm (lead, signature header, main header, payload) and verifies its digests.

    lead | signature header | main header | payload
                              SHA1, SHA256: main header
                              MD5, SIZE:    main header and payload
         in the main header:  PAYLOADSHA256 compressed, PAYLOADSHA256ALT uncompressed payload

Source: docs/manual/format_v4.md and lib/rpmvs.c of rpm 4.20.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pkgrel.artifact.model import Artifact, Take
from pkgrel.artifact.rpm import files, metadata, rules
from pkgrel.artifact.rpm.header import Blob, Header, read_blob
from pkgrel.artifact.stream import NAMES, Stream, decompress, region
from pkgrel.distro import Format
from pkgrel.errors import PackageError
from pkgrel.package import Version
from pkgrel.rpm_tags import HASHES, SHA256, SignatureTag, Tag

SIGNATURES = {
    SignatureTag.RSA: "header RSA",
    SignatureTag.DSA: "header DSA or EdDSA",
    SignatureTag.OPENPGP: "header OpenPGP",
    SignatureTag.PGP: "header and payload RSA",
    SignatureTag.GPG: "header and payload DSA",
}


class Digests:
    """Hashes the file while it is read, and compares at the end."""

    def __init__(self, header: Header, signature: Blob) -> None:
        self._header = header
        self._signature = signature
        algorithm = HASHES.get(header.number(Tag.PAYLOADSHA256ALGO, SHA256), "sha256")
        self._packed = hashlib.new(algorithm, usedforsecurity=False)
        self._unpacked = hashlib.new(algorithm, usedforsecurity=False)
        self._md5 = hashlib.md5(header.main.raw, usedforsecurity=False)
        self._is_unpacked = False
        self.payload_size = 0

    @property
    def cover_payload(self) -> bool:
        """Whether there is a digest of the compressed payload."""
        return bool(self._header.strings(Tag.PAYLOADSHA256)) or SignatureTag.MD5 in (
            self._signature.index
        )

    def packed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Hash the compressed payload while it is read."""
        for piece in pieces:
            self.payload_size += len(piece)
            self._packed.update(piece)
            self._md5.update(piece)
            yield piece

    def unpacked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Hash the uncompressed payload while it is read."""
        self._is_unpacked = True
        for block in blocks:
            self._unpacked.update(block)
            yield block

    def verify_header(self) -> tuple[str, ...]:
        """Names of the main header's digests; PackageError if one is wrong."""
        raw, said = self._header.main.raw, self._signature
        sha1 = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
        sha256 = hashlib.sha256(raw).hexdigest()
        return (
            *_verify("header SHA1", said.data(SignatureTag.SHA1).decode(), sha1),
            *_verify("header SHA256", said.data(SignatureTag.SHA256).decode(), sha256),
        )

    def verify_payload(self) -> tuple[str, ...]:
        """Names of the payload's digests, after it has been read; PackageError if one is wrong."""
        said = self._signature
        size = len(self._header.main.raw) + self.payload_size
        for tag in (SignatureTag.SIZE, SignatureTag.LONGSIZE):
            if tag in said.index and int.from_bytes(said.data(tag), "big") != size:
                raise PackageError(f"damaged: header and payload have {size} bytes, it says others")
        name = self._packed.name.upper()
        packed = "".join(self._header.strings(Tag.PAYLOADSHA256)[:1])
        unpacked = "".join(self._header.strings(Tag.PAYLOADSHA256ALT)[:1])
        if not self._is_unpacked:
            unpacked = ""
        return (
            *_verify(
                "header and payload MD5", said.data(SignatureTag.MD5).hex(), self._md5.hexdigest()
            ),
            *_verify(f"payload {name}", packed, self._packed.hexdigest()),
            *_verify(f"unpacked payload {name}", unpacked, self._unpacked.hexdigest()),
        )

    def content(self) -> str:
        """SHA-256 of main header and payload, after both have been read."""
        return hashlib.sha256(self._header.main.raw + self._packed.digest()).hexdigest()

    def signatures(self) -> tuple[str, ...]:
        """Names of the tags of signatures."""
        return tuple(name for tag, name in SIGNATURES.items() if tag in self._signature.index)


def _verify(what: str, said: str, found: str) -> tuple[str, ...]:
    if said and said != found:
        raise PackageError(f"damaged: its {what} is {found}, not {said}")
    return (what,) if said else ()


_LEAD = 96

# rpm reads several gzip members and zstd frames, and fails at a second xz stream.
_SEVERAL = frozenset(["gzip", "zstd"])


def read(file: Path, *, unpack: bool, take: Take | None) -> Artifact:
    """Read the file, including the payload; PackageError if rpm would not install it."""
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
    """The artifact after signing; PackageError if more than its signature has changed."""
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
    # rpm's gzip reader passes on data that is not gzip; uncompressed payloads rely on it.
    if name == "gzip" and first.startswith(b"0707"):
        name = "none"
    return name, _again(first, packed)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
