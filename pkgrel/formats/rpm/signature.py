"""The signature header: sizes and digests of what follows, room for signatures.

    SHA1, SHA256   main header
    SIZE, MD5      main header and payload
    PAYLOADSIZE    the payload before it was compressed

rpm up to 4.13 wants MD5 and SHA1; rpm from 4.14 on SHA256 and the payload's digest, which is in the
main header; rpm 6 looks at no old one.

Source: lib/signature.c and lib/rpmvs.c of rpm 4.20; docs/manual/format_v4.md.
"""

import hashlib

from pkgrel.formats.payload import Payload
from pkgrel.formats.rpm import header
from pkgrel.formats.rpm.header import Value
from pkgrel.formats.rpm.tags import AnyTag, SignatureTag

ALIGNMENT = 8
RESERVED = 4096 + 32
"""What rpmbuild reserves, so that a signature can be written without moving the rest."""
LARGEST_INT32 = 2**32 - 1


def encode(main: bytes, payload: Payload) -> bytes:
    """The header of a package without a signature, padded to where the main header begins."""
    blob = header.encode(_tags(main, payload), region=SignatureTag.HEADERSIGNATURES)
    return blob + bytes(-len(blob) % ALIGNMENT)


def _tags(main: bytes, payload: Payload) -> dict[AnyTag, Value]:
    # Not for security: hosts in FIPS mode allow it then.
    md5 = hashlib.md5(main, usedforsecurity=False)
    for data in payload.chunks():
        md5.update(data)
    return {
        SignatureTag.SHA1: hashlib.sha1(main, usedforsecurity=False).hexdigest(),
        SignatureTag.SHA256: hashlib.sha256(main).hexdigest(),
        SignatureTag.MD5: md5.digest(),
        **_sizes(len(main) + payload.packed.size, payload.plain.size),
        SignatureTag.RESERVEDSPACE: bytes(RESERVED),
    }


def _sizes(size: int, archive_size: int) -> dict[AnyTag, Value]:
    """Both in the form that the larger one needs, as rpm's rpmGenerateSignature()."""
    if max(size, archive_size) > LARGEST_INT32:
        return {SignatureTag.LONGSIZE: [size], SignatureTag.LONGARCHIVESIZE: [archive_size]}
    return {SignatureTag.SIZE: [size], SignatureTag.PAYLOADSIZE: [archive_size]}
