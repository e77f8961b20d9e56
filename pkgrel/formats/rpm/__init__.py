"""The .rpm format, version 4: its conventions, and the bytes of a package.

    lead               rpm reads its magic number, file(1) the rest
    signature header   sizes and digests of the rest, room for signatures; padded to 8
    main header        metadata, files, relations, scriptlets
    payload            compressed cpio archive of the files

In the signature header SHA1 and SHA256 are of the main header, SIZE and MD5 of main header and payload, and
PAYLOADSIZE is the uncompressed size of the payload. rpm up to 4.13 needs MD5 and SHA1; from 4.14 on it needs SHA256
and the payload's digest, which is in the main header; rpm 6 ignores MD5 and SHA1.

Source: rpm-packaging(7); the packaging guidelines of Fedora and openSUSE; docs/manual/format_v4.md and
format_lead.md, lib/rpmlead.cc, lib/signature.c and lib/rpmvs.c of rpm 4.20; where they are silent, what
rpmbuild 4.18 writes.
"""

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pkgrel.errors import ConfigError
from pkgrel.formats import encoding
from pkgrel.formats.encoding import find_architecture
from pkgrel.formats.payload import Payload, Payloads, Work
from pkgrel.formats.rpm import cpio, files, header, relations
from pkgrel.formats.rpm.header import Value
from pkgrel.package import File, Package, Relation, Version
from pkgrel.rpm_header import padded
from pkgrel.rpm_tags import AnyTag, SignatureTag, Tag

SCRIPTS = {
    "before_install": "rpm/pre",
    "after_install": "rpm/post",
    "before_remove": "rpm/preun",
    "after_remove": "rpm/postun",
    "after_transaction": "rpm/posttrans",
}

_EVR = re.compile(r"(?:[0-9]{1,10}:)?[^:-]+(?:-[^:-]+)?")

ZSH_COMPLETIONS = "site-functions"


ASKS_ABOUT_CONFFILES = False
ENABLES_BY_PRESET = True
HAS_GHOSTS = True


def architecture(kernel: str) -> str:
    """`x86_64`, or `noarch`."""
    return find_architecture(kernel).rpm


def manager(installer: str) -> str:
    """The template for dnf also serves yum, where it refuses as it does without dnf."""
    return "rpm/zypper" if installer == "zypper" else "rpm/dnf"


def downloaded(name: str, version: Version, kernel: str) -> Sequence[str]:
    """The caches of dnf 4 and 5, with a folder per repository, and that of zypper, which follows `../` in a path."""
    file = f"{name}-{version.upstream}-{version.revision}.{architecture(kernel)}.rpm"
    folders = ("dnf/*/packages", "libdnf5/*/packages", "zypp/packages/*", "zypp/pool/*")
    return tuple(f"/var/cache/{folder}/{file}" for folder in folders)


def revision(number: str, tag: str) -> str:
    """`1.el9`, as is usual for RPM."""
    return f"{number}.{tag}"


def file_name(package: Package) -> str:
    """`name-version-release.architecture.rpm`; an epoch is never in it."""
    return f"{header.name_version_release(package)}.{architecture(package.architecture)}.rpm"


def program(name: str) -> Relation:
    """A program by its path, since package names differ between the families."""
    return Relation(name=f"/usr/bin/{name}")


def requirements() -> Iterator[Relation]:
    """Programs that the scriptlets call."""
    yield Relation(name="/usr/sbin/useradd", before_install=True)
    yield Relation(name="systemd")


def accounts(user: str, group: str) -> Iterator[Relation]:
    """rpm 4.19 requires the owners of files, and generates the matching provides from sysusers.d."""
    yield Relation(name=f"user({user})")
    yield Relation(name=f"group({group})")


def refuse_relation(relation: Relation) -> None:
    """ConfigError for a version that rpm and dnf would parse differently; any name is valid."""
    for item in (relation, *relation.alternatives):
        if item.version and not _EVR.fullmatch(item.version):
            raise ConfigError(
                f"`{item.version}` is not a version that all of rpm's tools read in one way",
                hint="write `[epoch:]version[-release]`",
            )


#                     magic major minor type architecture name os signature
LEAD = struct.Struct(">4s   B     B     H    H            66s  H  H         16x")
LEAD_MAGIC = b"\xed\xab\xee\xdb"
MAJOR, MINOR = 3, 0
"""The value in every package of format 4."""
BINARY = 0
LINUX = 1
HEADER_SIGNATURE = 5
LEAD_NAME_SIZE = 65
"""Including a terminating zero byte."""


def lead(package: Package) -> bytes:
    """96 bytes."""
    name = f"{package.name}-{package.version}".encode()
    number = encoding.find_architecture(package.architecture).lead
    return LEAD.pack(
        LEAD_MAGIC, MAJOR, MINOR, BINARY, number, name[:LEAD_NAME_SIZE], LINUX, HEADER_SIGNATURE
    )


RESERVED = 4096 + 32
"""Space that rpmbuild reserves, so that a signature can be added without moving the rest."""
LARGEST_INT32 = 2**32 - 1


def signature_header(main: bytes, payload: Payload) -> bytes:
    """The signature header of an unsigned package, padded to the start of the main header."""
    return padded(header.encode(_digests(main, payload), region=SignatureTag.HEADERSIGNATURES))


def _digests(main: bytes, payload: Payload) -> dict[AnyTag, Value]:
    # usedforsecurity=False: otherwise hosts in FIPS mode refuse it.
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
    """SIZE and PAYLOADSIZE, both 64-bit if either needs it, as in rpm's rpmGenerateSignature()."""
    if max(size, archive_size) > LARGEST_INT32:
        return {SignatureTag.LONGSIZE: [size], SignatureTag.LONGARCHIVESIZE: [archive_size]}
    return {SignatureTag.SIZE: [size], SignatureTag.PAYLOADSIZE: [archive_size]}


def start(work: Work, payloads: Payloads) -> None:
    """Start to compress the tree in a thread, unless its encoding depends on the rest of the package."""
    if all(entry.content.size <= cpio.LARGEST for entry in work.tree if isinstance(entry, File)):
        payloads.start(work, cpio.Archive())


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package."""
    rows = files.rows(package)
    payload = payloads.pack(package, files.framing(rows))
    main = header.encode(
        {
            **header.tags(package),
            **header.scriptlet_tags(package.scripts),
            **relations.tags(package, rows),
            **files.tags(rows, package.build_time),
            **header.payload_tags(package, payload),
        },
        region=Tag.HEADERIMMUTABLE,
    )
    out.write(lead(package))
    out.write(signature_header(main, payload))
    out.write(main)
    payload.copy_to(out)
