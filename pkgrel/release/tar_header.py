"""One 512-byte header block of a tar archive.

Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual 1.35, "Basic Tar Format",
for base-256 numbers and for the old GNU magic, where `prefix` holds other things.
"""

import re
import struct
from dataclasses import dataclass

from pkgrel.errors import ReleaseError
from pkgrel.release import hints

BLOCK = 512
#                      name mode uid gid size mtime checksum type link magic user,group,device prefix
HEADER = struct.Struct(
    "100s 8s  8x  8x  12s  12s   8s       c    100s 8s    80x               155s 12x"
)
CHECKSUM = slice(148, 156)
MAGIC = slice(257, 265)
USTAR = b"ustar\x0000"
GNU = b"ustar  \0"
_OCTAL = re.compile(rb"[ \0]*([0-7]*)(?:[ \0].*)?", re.DOTALL)


@dataclass(slots=True)
class Header:
    """The fields that matter here; names as bytes, since pax may still replace them."""

    name: bytes
    mode: int
    size: int
    mtime: int
    type: bytes
    link: bytes


def parse(block: bytes) -> Header:
    """Read a header; ReleaseError if the checksum is wrong or the size makes no sense."""
    name, mode, size, mtime, checksum, kind, link, magic, prefix = HEADER.unpack(block)
    if _number(checksum, "checksum") not in _sums(block):
        raise ReleaseError(
            "a tar header has a wrong checksum: the file is damaged",
            hint=hints.AGAIN,
        )
    length = _number(size, "size")
    if length < 0:
        raise ReleaseError(f"a tar header claims {length} bytes", hint=hints.AGAIN)
    name = _text(name)
    if magic == USTAR and (prefix := _text(prefix)):
        name = prefix + b"/" + name
    return Header(
        name=name,
        mode=_number(mode, "mode"),
        size=length,
        mtime=_number(mtime, "modification time"),
        type=kind,
        link=_text(link),
    )


def is_header(block: bytes) -> bool:
    """Whether a file that begins with `block` is meant to be a tar archive, perhaps damaged."""
    if len(block) < BLOCK:
        return False
    if block[MAGIC] in (USTAR, GNU):
        return True
    checksum = _OCTAL.fullmatch(block[CHECKSUM])
    return checksum is not None and int(checksum[1] or b"0", 8) in _sums(block)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str) -> int:
    if field[0] & 0x80:  # GNU base-256, big-endian two's complement without the marker bit
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & (1 << bits) - 1
        return value - (1 << bits) if value >> bits - 1 else value
    match = _OCTAL.fullmatch(field)
    if not match:
        raise ReleaseError(
            f"a tar header has the {what} `{field!a}`, which is no octal number", hint=hints.AGAIN
        )
    return int(match[1] or b"0", 8)


def _sums(block: bytes) -> tuple[int, int]:
    """Return the sum of all bytes with a blank checksum; some old tars took them as signed."""
    blank = bytearray(block)
    blank[CHECKSUM] = b" " * 8
    unsigned = sum(blank)
    return unsigned, unsigned - 256 * sum(
        byte > 127 for byte in blank
    ) if not block.isascii() else unsigned
