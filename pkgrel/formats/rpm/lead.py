"""The lead: rpm reads its magic number, file(1) the rest.

Source: lib/rpmlead.cc of rpm 4.20; docs/manual/format_lead.md.
"""

import struct

from pkgrel.formats.architecture import architecture
from pkgrel.package import Package

#                     magic major minor type architecture name os signature
LEAD = struct.Struct(">4s   B     B     H    H            66s  H  H         16x")
MAGIC = b"\xed\xab\xee\xdb"
MAJOR, MINOR = 3, 0
"""Of every package but rpm 6's own format."""
BINARY = 0
LINUX = 1
HEADER_SIGNATURE = 5
NAME_SIZE = 65
"""The last byte of the name is zero."""


def encode(package: Package) -> bytes:
    """96 bytes."""
    name = f"{package.name}-{package.version}".encode()
    number = architecture(package.architecture).lead
    return LEAD.pack(MAGIC, MAJOR, MINOR, BINARY, number, name[:NAME_SIZE], LINUX, HEADER_SIGNATURE)
