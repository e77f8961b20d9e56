"""Verifies the signature of an rpm."""

from contextlib import suppress
from typing import BinaryIO

from pkgrel.errors import SigningError
from pkgrel.signing import verification
from pkgrel.signing.rpm.package import read, signatures


def verify(source: BinaryIO, public_key: bytes) -> str:
    """The fingerprint of the primary key that signed the package; only its headers are read.

    The payload is as good as the digest of it that is in the header. SigningError if none of the
    public keys has made one of its signatures, PackageError if it is no rpm.
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
