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
    """Read a header; ReleaseError if the checksum is wrong or a number is none."""
    name, mode, size, mtime, checksum, kind, link, magic, prefix = HEADER.unpack(block)
    if _number(checksum, "checksum") not in _sums(block):
        raise ReleaseError(
            "a tar header has a wrong checksum: the file is damaged", hint=hints.AGAIN
        )
    name = _text(name)
    if magic == USTAR and (prefix := _text(prefix)):
        name = prefix + b"/" + name
    return Header(
        name=name,
        mode=_natural(mode, "mode"),
        size=_natural(size, "size"),
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


def _natural(field: bytes, what: str) -> int:
    number = _number(field, what)
    if number < 0:
        raise ReleaseError(f"a tar header has the {what} {number}", hint=hints.AGAIN)
    return number


def _number(field: bytes, what: str) -> int:
    if field[0] == 0x80:  # GNU's base-256
        return int.from_bytes(field[1:], "big")
    if field[0] == 0xFF:  # the same, negative
        return int.from_bytes(field, "big", signed=True)
    octal = _OCTAL.fullmatch(field)
    if not octal:
        raise ReleaseError(f"a tar header has the {what} `{field!a}`, no number", hint=hints.AGAIN)
    return int(octal[1] or b"0", 8)


def _sums(block: bytes) -> tuple[int, int]:
    """Return the sum of all bytes with a blank checksum; some old tars took them as signed."""
    blank = bytearray(block)
    blank[CHECKSUM] = b" " * 8
    unsigned = sum(blank)
    negative = 0 if block.isascii() else sum(byte > 127 for byte in blank)
    return unsigned, unsigned - 256 * negative
