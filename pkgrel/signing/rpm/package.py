"""An .rpm as a signer sees it: what is signed, and what is not.

    lead (96 bytes) | signature header, padded to 8 | main header | payload

Source: docs/manual/format_v4.md and lib/rpmvs.c of rpm 4.20.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pkgrel import rpm_header
from pkgrel.errors import PackageError
from pkgrel.rpm_header import Tags
from pkgrel.rpm_tags import HASHES, SHA256, SignatureTag, Tag

LEAD = 96
LEAD_MAGIC = b"\xed\xab\xee\xdb"
CHUNK = 1 << 20

SIGNATURES = frozenset(
    [
        SignatureTag.DSA,
        SignatureTag.RSA,
        SignatureTag.OPENPGP,
        SignatureTag.SIGPGP,
        SignatureTag.PGP,
        SignatureTag.GPG,
    ]
)
"""Of the header, and those of header and payload that rpm 3 made."""

_ALGORITHMS = {number: name for number, name in HASHES.items() if name not in ("md5", "sha1")}


@dataclass(frozen=True, slots=True)
class Package:
    """Its parts, but for the payload."""

    lead: bytes
    signature_size: int
    """Bytes of the signature header, without padding."""
    signature: Tags
    main: bytes
    main_tags: Tags
    payload: int
    """Where it begins in the file."""

    @property
    def format(self) -> int:
        """4, or 6 for what rpm 6 builds by default."""
        return self.main_tags[Tag.RPMFORMAT].number if Tag.RPMFORMAT in self.main_tags else 4


def read(source: BinaryIO) -> Package:
    """Read the headers; PackageError if it is not an rpm."""
    lead = source.read(LEAD)
    if not lead.startswith(LEAD_MAGIC):
        hint = "only .rpm files are signed: of a .deb, apt trusts the repository's signature"
        raise PackageError("is not a .rpm package", hint=hint)
    raw, signature = rpm_header.read(source, "signature header")
    source.seek(-len(raw) % 8, 1)
    main, tags = rpm_header.read(source, "header")
    return Package(lead, len(raw), signature, main, tags, source.tell())


def signatures(tags: Tags) -> Iterator[bytes]:
    """The packets that sign the main header."""
    for tag in (SignatureTag.RSA, SignatureTag.DSA):
        if tag in tags:
            yield tags[tag].data
    if SignatureTag.OPENPGP in tags:
        for text in tags[SignatureTag.OPENPGP].strings():
            with suppress(ValueError):
                yield base64.b64decode(text)


def check(package: Package, source: BinaryIO) -> None:
    """PackageError unless header and payload are what the package's digests say.

    A signature would make a damaged package look sound.
    """
    said = package.signature
    for tag, algorithm in ((SignatureTag.SHA256, "sha256"), (SignatureTag.SHA1, "sha1")):
        found = hashlib.new(algorithm, package.main, usedforsecurity=False).hexdigest()
        if tag in said and said[tag].strings() != [found.encode()]:
            raise PackageError(f"damaged: the {algorithm.upper()} of its header is wrong")
    digest, expected = _payload_digest(package)
    if digest is None:
        raise PackageError(
            "it has no digest of its payload, so a signature would not protect its files",
            hint="build it anew, with rpm 4.14 or later",
        )
    source.seek(package.payload)
    for data in chunks(source):
        digest.update(data)
    if digest.hexdigest() != expected:
        raise PackageError("damaged: the digest of its payload is wrong")


def _payload_digest(package: Package) -> tuple[hashlib._Hash | None, str]:
    """A hash to be fed with the payload, and what it has to come to."""
    if stored := package.main_tags.get(Tag.PAYLOADSHA256):
        algorithm = package.main_tags.get(Tag.PAYLOADSHA256ALGO)
        name = _ALGORITHMS.get(algorithm.number if algorithm else SHA256, "sha256")
        return hashlib.new(name), stored.strings()[0].decode(errors="replace")
    if md5 := package.signature.get(SignatureTag.MD5):
        # rpm before 4.14: it is all that there is, and what rpm itself goes by.
        return hashlib.md5(package.main, usedforsecurity=False), md5.data.hex()
    return None, ""


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """The rest of the file."""
    while data := source.read(CHUNK):
        yield data


def named(error: PackageError, file: Path) -> PackageError:
    """The error with the file's name before it."""
    return PackageError(f"{file}: {error}", hint=error.hint or "build or download it again")
