"""Adds signatures to an rpm: only its signature header changes.

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

from pkgrel.errors import PackageError, SigningError
from pkgrel.signing.protocol import Signer
from pkgrel.signing.rpm import header
from pkgrel.signing.rpm.header import Value
from pkgrel.signing.rpm.package import (
    DSA,
    OPENPGP,
    RSA,
    SIGNATURES,
    Package,
    check,
    chunks,
    named,
    read,
    signatures,
)
from pkgrel.signing.verification import verify

RESERVED, RESERVEDSPACE = 999, 1008
"""Zeros that a signature may take the place of, so that nothing behind it moves: of format 6, 4."""

_REGION = 62


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
            if verify(package.main, packet, signer.public_key_binary) == signer.fingerprints[0]:
                return True
    return False


def _signature_header(package: Package, packet: bytes) -> bytes:
    """The new header, as long as the old one if there is room, padded."""
    tags = {tag: value for tag, value in package.signature.items() if tag not in SIGNATURES}
    if package.format < 6:
        tags[_tag(packet)] = Value(header.BIN, len(packet), packet)
    else:
        tags[OPENPGP] = Value(header.STRING_ARRAY, 1, base64.b64encode(packet) + b"\0")
    room = next((tag for tag in (RESERVED, RESERVEDSPACE) if tag in tags), None)
    if room:
        del tags[room]
        space = package.signature_size - len(header.encode(tags, _REGION)) - header.ENTRY.size
        if space > 0:
            tags[room] = Value(header.BIN, space, bytes(space))
    encoded = header.encode(tags, _REGION)
    return encoded + bytes(-len(encoded) % 8)


def _tag(packet: bytes) -> int:
    from pysequoia import Sig
    from pysequoia.packet import PublicKeyAlgorithm

    is_rsa = Sig.from_bytes(packet).key_algorithm == PublicKeyAlgorithm.RSAEncryptSign
    return RSA if is_rsa else DSA


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
