"""Signs and verifies .rpm files. Signing changes only the signature header.

    lead (96 bytes) | signature header, padded to 8 | main header | payload

    268 RSA, 267 DSA    one of the two, of the main header; DSA is also for EdDSA and ECDSA
    278 OPENPGP         any number, in base64; only rpm 6 reads it, and nothing else in its format 6

Signatures of header and payload (1002, 1005) are rpm 3's and are not written. Of several keys only the first signs
packages: rpm up to 4.20 has room for one, and rpm 6 refuses a package with a second signature by an unknown key.

Source: docs/manual/format_v4.md and lib/rpmvs.c of rpm 4.20; lib/rpmvs.c and sign/rpmgensig.cc of rpm 6.1,
docs/manual/signatures.md.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pkgrel import rpm_header, signing
from pkgrel.errors import PackageError, SigningError
from pkgrel.rpm_header import Tags, Value, padded
from pkgrel.rpm_tags import HASHES, SHA256, SignatureTag, Tag, Type
from pkgrel.signing import Signer

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
"""Tags of signatures of the header, and of header and payload (rpm 3)."""

_ALGORITHMS = {number: name for number, name in HASHES.items() if name not in ("md5", "sha1")}


@dataclass(frozen=True, slots=True)
class Package:
    """The parts of an .rpm, except the payload."""

    lead: bytes
    signature_size: int
    """The size of the signature header in bytes, without padding."""
    signature: Tags
    main: bytes
    main_tags: Tags
    payload: int
    """Its offset in the file."""

    @property
    def format(self) -> int:
        """4, or 6 for packages that rpm 6 builds by default."""
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
    """Packets of signatures of the main header."""
    for tag in (SignatureTag.RSA, SignatureTag.DSA):
        if tag in tags:
            yield tags[tag].data
    if SignatureTag.OPENPGP in tags:
        for text in tags[SignatureTag.OPENPGP].strings():
            with suppress(ValueError):
                yield base64.b64decode(text)


def check(package: Package, source: BinaryIO) -> None:
    """PackageError unless header and payload match the package's digests.

    A signature would make a damaged package look valid.
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
            hint="build it again, with rpm 4.14 or later",
        )
    source.seek(package.payload)
    for data in chunks(source):
        digest.update(data)
    if digest.hexdigest() != expected:
        raise PackageError("damaged: the digest of its payload is wrong")


def _payload_digest(package: Package) -> tuple[hashlib._Hash | None, str]:
    """A hash for the payload, and its expected value."""
    if stored := package.main_tags.get(Tag.PAYLOADSHA256):
        algorithm = package.main_tags.get(Tag.PAYLOADSHA256ALGO)
        name = _ALGORITHMS.get(algorithm.number if algorithm else SHA256, "sha256")
        return hashlib.new(name), stored.strings()[0].decode(errors="replace")
    if md5 := package.signature.get(SignatureTag.MD5):
        # Before rpm 4.14 there is no other digest, and rpm itself uses it.
        return hashlib.md5(package.main, usedforsecurity=False), md5.data.hex()
    return None, ""


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """The rest of the file."""
    while data := source.read(CHUNK):
        yield data


def named(error: PackageError, file: Path) -> PackageError:
    """The error, prefixed with the file's name."""
    return PackageError(f"{file}: {error}", hint=error.hint or "build or download it again")


_ROOM = (SignatureTag.RESERVED, SignatureTag.RESERVEDSPACE)


def sign(package: Path, signer: Signer, output: Path, *, keep: bool = False) -> bool:
    """Write the signed package to `output`, which may be the package itself, atomically.

    Header and payload are not changed; signatures of other keys are removed. A package with a good signature by the
    signer's first key, or, with `keep`, with any signature, is copied unchanged, and False is returned. PackageError
    if the package is damaged or not an rpm.
    """
    with package.open("rb") as source:
        try:
            parts = read(source)
            check(parts, source)
        except PackageError as e:
            raise named(e, package) from None
        existing = list(signatures(parts.signature))
        if (keep and existing) or _is_signed(parts, existing, signer):
            if not (output.exists() and output.samefile(package)):
                _copy(package, output)
            return False
        start = parts.lead + _signature_header(parts, signer.detached_binary(parts.main)[0])
        source.seek(parts.payload)
        _write(output, package, [start, parts.main], source)
    return True


def _is_signed(package: Package, existing: Sequence[bytes], signer: Signer) -> bool:
    for packet in existing:
        with suppress(SigningError):
            if (
                signing.verify(package.main, packet, signer.public_key_binary)
                == signer.fingerprints[0]
            ):
                return True
    return False


def _signature_header(package: Package, packet: bytes) -> bytes:
    """The new signature header, padded, of the same size as the old one if possible."""
    tags = {tag: value for tag, value in package.signature.items() if tag not in SIGNATURES}
    if package.format < 6:
        tags[_tag(packet)] = Value(Type.BIN, len(packet), packet)
    else:
        tags[SignatureTag.OPENPGP] = Value(Type.STRING_ARRAY, 1, base64.b64encode(packet) + b"\0")
    room = next((tag for tag in _ROOM if tag in tags), None)
    if room:
        del tags[room]
        space = package.signature_size - len(_encoded(tags)) - rpm_header.ENTRY.size
        if space > 0:
            tags[room] = Value(Type.BIN, space, bytes(space))
    return padded(_encoded(tags))


def _encoded(tags: Tags) -> bytes:
    return rpm_header.encode(tags, SignatureTag.HEADERSIGNATURES)


def _tag(packet: bytes) -> SignatureTag:
    from pysequoia import Sig
    from pysequoia.packet import PublicKeyAlgorithm

    is_rsa = Sig.from_bytes(packet).key_algorithm == PublicKeyAlgorithm.RSAEncryptSign
    return SignatureTag.RSA if is_rsa else SignatureTag.DSA


def _write(output: Path, package: Path, start: Sequence[bytes], payload: BinaryIO) -> None:
    """Write a file that appears only when it is complete."""
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as out:
            out.writelines(start)
            out.writelines(chunks(payload))
        shutil.copymode(package, unfinished)
        unfinished.replace(output)
    except BaseException:  # KeyboardInterrupt too
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise


def _copy(package: Path, output: Path) -> None:
    with package.open("rb") as source:
        _write(output, package, [], source)


def verify(source: BinaryIO, public_key: bytes) -> str:
    """Verify the package's signature; returns the fingerprint of the primary key. Only the headers are read.

    The header has the payload's digest. SigningError if none of its signatures was made by one of the public keys,
    PackageError if it is not an rpm.
    """
    package = read(source)
    found = list(signatures(package.signature))
    for packet in found:
        with suppress(SigningError):
            return signing.verify(package.main, packet, public_key)
    if not found:
        raise SigningError("the package is not signed", hint="sign it with `pkgrel sign`")
    raise SigningError(
        "the package's signature is not good, or by another key",
        hint="find out where it comes from, and sign it with `pkgrel sign`",
    )
