"""Digests of an rpm: which there are, and whether they are right.

    lead | signature header | main header | payload
                              SHA1, SHA256: main header
                              MD5, SIZE:    main header and payload
         in the main header:  PAYLOADSHA256 compressed, PAYLOADSHA256ALT uncompressed payload

Source: lib/rpmvs.c of rpm 4.20.
"""

import hashlib
from collections.abc import Iterator

from pkgrel.artifact.rpm.header import Blob, Header
from pkgrel.errors import PackageError
from pkgrel.rpm_tags import HASHES, SHA256, SignatureTag, Tag

SIGNATURES = {
    SignatureTag.RSA: "header RSA",
    SignatureTag.DSA: "header DSA or EdDSA",
    SignatureTag.OPENPGP: "header OpenPGP",
    SignatureTag.PGP: "header and payload RSA",
    SignatureTag.GPG: "header and payload DSA",
}


class Digests:
    """Hashes what passes by, and compares at the end."""

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
        """Whether there is a digest of the payload as it is stored."""
        return bool(self._header.strings(Tag.PAYLOADSHA256)) or SignatureTag.MD5 in (
            self._signature.index
        )

    def packed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Hash the compressed payload on its way."""
        for piece in pieces:
            self.payload_size += len(piece)
            self._packed.update(piece)
            self._md5.update(piece)
            yield piece

    def unpacked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Hash the uncompressed payload on its way."""
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
        """Names of the payload's digests once it has passed; PackageError if one is wrong."""
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
        """SHA-256 of main header and payload, once it has passed."""
        return hashlib.sha256(self._header.main.raw + self._packed.digest()).hexdigest()

    def signatures(self) -> tuple[str, ...]:
        """Names of the signatures that are there."""
        return tuple(name for tag, name in SIGNATURES.items() if tag in self._signature.index)


def _verify(what: str, said: str, found: str) -> tuple[str, ...]:
    if said and said != found:
        raise PackageError(f"damaged: its {what} is {found}, not {said}")
    return (what,) if said else ()
