"""The bytes of an RPM package, version 4 of the format.

    lead               rpm reads its magic number, file(1) the rest
    signature header   sizes and digests of the rest, room for signatures; padded to 8
    main header        everything that rpm knows about the package
    payload            compressed cpio archive of the files

In the signature header SHA1 and SHA256 are of the main header, SIZE and MD5 of main header and payload,
PAYLOADSIZE of the payload before it was compressed. rpm up to 4.13 wants MD5 and SHA1; rpm from 4.14 on
SHA256 and the payload's digest, which is in the main header; rpm 6 looks at no old one.

Source: docs/manual/format_v4.md and format_lead.md, lib/rpmlead.cc, lib/signature.c and lib/rpmvs.c of rpm
4.20; where they are silent, what rpmbuild 4.18 writes.
"""

import hashlib
import struct
from typing import BinaryIO

from pkgrel.formats import architectures
from pkgrel.formats.payload import Payload, Payloads, Work
from pkgrel.formats.rpm import cpio, files, header, metadata, relations
from pkgrel.formats.rpm.header import Value
from pkgrel.package import File, Package
from pkgrel.rpm_header import padded
from pkgrel.rpm_tags import AnyTag, SignatureTag, Tag

#                     magic major minor type architecture name os signature
LEAD = struct.Struct(">4s   B     B     H    H            66s  H  H         16x")
LEAD_MAGIC = b"\xed\xab\xee\xdb"
MAJOR, MINOR = 3, 0
"""Of every package but rpm 6's own format."""
BINARY = 0
LINUX = 1
HEADER_SIGNATURE = 5
LEAD_NAME_SIZE = 65
"""The last byte of the name is zero."""


def lead(package: Package) -> bytes:
    """96 bytes."""
    name = f"{package.name}-{package.version}".encode()
    number = architectures.find(package.architecture).lead
    return LEAD.pack(
        LEAD_MAGIC, MAJOR, MINOR, BINARY, number, name[:LEAD_NAME_SIZE], LINUX, HEADER_SIGNATURE
    )


RESERVED = 4096 + 32
"""What rpmbuild reserves, so that a signature can be written without moving the rest."""
LARGEST_INT32 = 2**32 - 1


def signature_header(main: bytes, payload: Payload) -> bytes:
    """The header of a package without a signature, padded to where the main header begins."""
    return padded(header.encode(_digests(main, payload), region=SignatureTag.HEADERSIGNATURES))


def _digests(main: bytes, payload: Payload) -> dict[AnyTag, Value]:
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


def start(work: Work, payloads: Payloads) -> None:
    """Begin to compress the tree, unless how it is written depends on the rest of the package."""
    if all(entry.content.size <= cpio.LARGEST for entry in work.tree if isinstance(entry, File)):
        payloads.start(work, cpio.Archive())


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package."""
    rows = files.rows(package)
    payload = payloads.pack(package, files.framing(rows))
    main = header.encode(
        {
            **metadata.tags(package),
            **metadata.scriptlet_tags(package.scripts),
            **relations.tags(package, rows),
            **files.tags(rows, package.build_time),
            **metadata.payload_tags(package, payload),
        },
        region=Tag.HEADERIMMUTABLE,
    )
    out.write(lead(package))
    out.write(signature_header(main, payload))
    out.write(main)
    payload.copy_to(out)
