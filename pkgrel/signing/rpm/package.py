"""An .rpm as a signer sees it: what is signed, and what is not.

    lead (96 bytes) | signature header, padded to 8 | main header | payload

Source: docs/manual/format_v4.md and lib/rpmvs.c of rpm 4.20.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pkgrel.errors import PackageError
from pkgrel.signing.rpm import header
from pkgrel.signing.rpm.header import Tags

LEAD = 96
LEAD_MAGIC = b"\xed\xab\xee\xdb"
CHUNK = 1 << 20

DSA, RSA, OPENPGP = 267, 268, 278
SIGNATURES = frozenset([DSA, RSA, OPENPGP, 259, 1002, 1005])
"""Tags of signatures: of the header, and those of header and payload that rpm 3 made."""

_SHA1, _SHA256, _MD5 = 269, 273, 1004
_PAYLOADSHA256, _PAYLOADSHA256ALGO = 5092, 5093
_RPMFORMAT = 5114
_ALGORITHMS = {8: "sha256", 9: "sha384", 10: "sha512", 12: "sha3_256", 14: "sha3_512"}


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
        return self.main_tags[_RPMFORMAT].number if _RPMFORMAT in self.main_tags else 4


def read(source: BinaryIO) -> Package:
    """Read the headers; PackageError if it is no rpm."""
    lead = source.read(LEAD)
    if not lead.startswith(LEAD_MAGIC):
        hint = "only .rpm files are signed: of a .deb, apt trusts the repository's signature"
        raise PackageError("is no .rpm package", hint=hint)
    raw, signature = header.read(source, "signature header")
    source.seek(-len(raw) % 8, 1)
    main, tags = header.read(source, "header")
    return Package(lead, len(raw), signature, main, tags, source.tell())


def signatures(tags: Tags) -> Iterator[bytes]:
    """The packets that sign the main header."""
    for tag in (RSA, DSA):
        if tag in tags:
            yield tags[tag].data
    if OPENPGP in tags:
        for text in tags[OPENPGP].strings():
            with suppress(ValueError):
                yield base64.b64decode(text)


def check(package: Package, source: BinaryIO) -> None:
    """PackageError unless header and payload are what the package's digests say.

    A signature would make a damaged package look sound.
    """
    said = package.signature
    for tag, algorithm in ((_SHA256, "sha256"), (_SHA1, "sha1")):
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


def _payload_digest(package: Package) -> "tuple[hashlib._Hash | None, str]":
    """A hash to be fed with the payload, and what it has to come to."""
    if stored := package.main_tags.get(_PAYLOADSHA256):
        algorithm = package.main_tags.get(_PAYLOADSHA256ALGO)
        name = _ALGORITHMS.get(algorithm.number if algorithm else 8, "sha256")
        return hashlib.new(name), stored.strings()[0].decode(errors="replace")
    if md5 := package.signature.get(_MD5):
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
