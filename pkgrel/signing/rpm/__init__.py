"""Signs .rpm files, and verifies them: of the finished package only the signature header changes.

    268 RSA, 267 DSA    one of the two, of the main header; DSA is also for EdDSA and ECDSA
    278 OPENPGP         any number, in base64; only rpm 6 reads it, and nothing else in its format 6

Signatures of header and payload (1002, 1005) are of rpm 3 and are not written. Of several keys only
the first one signs packages: up to rpm 4.20 there is room for one, and rpm 6 fails a package that
has a second signature by a key that it does not know.

Source: lib/rpmvs.c and sign/rpmgensig.cc of rpm 6.1, docs/manual/signatures.md.
"""

import base64
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pkgrel import rpm_header
from pkgrel.errors import PackageError, SigningError
from pkgrel.rpm_header import Tags, Value, padded
from pkgrel.rpm_tags import SignatureTag, Type
from pkgrel.signing import verification
from pkgrel.signing.rpm.package import (
    SIGNATURES,
    Package,
    check,
    chunks,
    named,
    read,
    signatures,
)
from pkgrel.signing.signers import Signer

_ROOM = (SignatureTag.RESERVED, SignatureTag.RESERVEDSPACE)


def sign(package: Path, signer: Signer, output: Path, *, keep: bool = False) -> bool:
    """Write the signed package to `output`, which may be the package itself, by rename.

    Header and payload stay as they are, byte for byte; signatures of other keys go away. What has a
    good signature of the signer's first key already, or, with `keep`, any signature at all, is
    copied as it is, and False returned. PackageError if the package is damaged or no rpm.
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
                verification.verify(package.main, packet, signer.public_key_binary)
                == signer.fingerprints[0]
            ):
                return True
    return False


def _signature_header(package: Package, packet: bytes) -> bytes:
    """The new header, as long as the old one if there is room, padded."""
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
    """Write a file that appears when it is complete or not at all."""
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
    """The fingerprint of the primary key that signed the package; only its headers are read.

    The payload is as good as the digest of it that is in the header. SigningError if none of the
    public keys has made one of its signatures, PackageError if it is not an rpm.
    """
    package = read(source)
    found = list(signatures(package.signature))
    for packet in found:
        with suppress(SigningError):
            return verification.verify(package.main, packet, public_key)
    if not found:
        raise SigningError("the package is not signed", hint="sign it with `pkgrel sign`")
    raise SigningError(
        "the package's signature is not good, or by another key",
        hint="find out where it comes from, and sign it with `pkgrel sign`",
    )
