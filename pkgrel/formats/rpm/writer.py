"""The bytes of an RPM package, version 4 of the format.

    lead
    signature header   sizes and digests of the rest, room for signatures; padded to 8
    main header        everything that rpm knows about the package
    payload            compressed cpio archive of the files

Source: docs/manual/format_v4.md of rpm 4.20; where that is silent, what rpmbuild 4.18 writes.
"""

from typing import BinaryIO

from pkgrel.formats.payload import Payloads, Work
from pkgrel.formats.rpm import (
    archive,
    files,
    header,
    lead,
    metadata,
    relations,
    scripts,
    signature,
)
from pkgrel.formats.rpm.tags import Tag
from pkgrel.package import File, Package


def start(work: Work, payloads: Payloads) -> None:
    """Begin to compress the tree, unless how it is written depends on the rest of the package."""
    if all(entry.content.size <= files.LARGEST for entry in work.tree if isinstance(entry, File)):
        payloads.start(work, archive.Archive())


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package."""
    rows = files.rows(package)
    payload = payloads.pack(package, archive.framing(rows))
    main = header.encode(
        {
            **metadata.tags(package),
            **scripts.tags(package.scripts),
            **relations.tags(package, rows),
            **files.tags(rows, package.build_time),
            **metadata.payload_tags(package, payload),
        },
        region=Tag.HEADERIMMUTABLE,
    )
    out.write(lead.encode(package))
    out.write(signature.encode(main, payload))
    out.write(main)
    payload.copy_to(out)
