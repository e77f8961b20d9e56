"""Reads the members of a tar archive once, in order, without trusting any of them.

Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual 1.35, "Basic
Tar Format" (base-256 numbers; the old GNU magic, where `prefix` holds other things), "Extensions to POSIX"
and "Sparse Formats".

`tarfile` is as fast but too lenient: it takes a damaged header for the end of the archive, ignores data after the end,
and joins the GNU header's `prefix` to names.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkgrel.content import Slice
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink
from pkgrel.release.stream import Stream, Truncated
from pkgrel.release.tree import Found, decode, describe, relative

BLOCK = 512
REGULAR = frozenset((b"0", b"\0", b"7"))
HARD_LINK, SYMLINK, DIRECTORY, VOLUME_LABEL = b"1", b"2", b"5", b"V"
EXTENDED, GLOBAL, LONG_NAME, LONG_LINK = b"x", b"g", b"L", b"K"
DESCRIPTIONS = frozenset((EXTENDED, GLOBAL, LONG_NAME, LONG_LINK))
REFUSED = {
    b"3": ("is a device", hints.LEAVE_OUT),
    b"4": ("is a device", hints.LEAVE_OUT),
    b"6": ("is a named pipe", hints.LEAVE_OUT),
    b"S": ("is stored as a sparse file", "make the tarball without `--sparse`"),
    b"M": ("continues from another volume", "make the tarball in one piece"),
}
_END = bytes(BLOCK)
_MAX_DESCRIPTIONS = 8
"""The most headers for one member; known implementations write at most four."""


def members(stream: Stream, file: Path, limits: Limits) -> Iterator[Found]:
    """Yield every member except the root; the contents are slices of `file`.

    ReleaseError if the archive is damaged, unsafe, or has data after its end.
    """
    try:
        while (found := _next(stream, file, limits)) is not None:
            yield found
    except Truncated:
        raise ReleaseError(
            "the tarball ends in the middle of a member or without its end mark: it is truncated",
            hint=hints.AGAIN,
        ) from None
    if any(bytes(rest).strip(b"\0") for rest in stream.rest()):
        raise ReleaseError("something follows the end of the tar archive", hint=hints.AGAIN)


def _next(stream: Stream, file: Path, limits: Limits) -> Found | None:
    """Read one member with all its headers; None at the end of the archive."""
    extended: dict[bytes, bytes] = {}
    for described in range(_MAX_DESCRIPTIONS):
        block = stream.take(BLOCK)
        if block == _END:
            if described:
                raise Truncated
            return None
        header = _parse(block)
        if header.type in DESCRIPTIONS:
            extended |= _overrides(header.type, _description(header, stream, limits))
        elif header.type == VOLUME_LABEL:
            _skip(stream, header.size + -header.size % BLOCK)
        else:
            _apply(header, extended)
            return _member(header, stream, file, limits)
    raise ReleaseError(
        f"more than {_MAX_DESCRIPTIONS} tar headers describe one member", hint=hints.ANEW
    )


def _description(header: Header, stream: Stream, limits: Limits) -> bytes:
    if header.size > limits.extended_header:
        raise ReleaseError(
            f"an extended tar header claims {header.size} bytes; {limits.extended_header} are plenty",
            hint=hints.AGAIN,
        )
    data = stream.take(header.size)
    _skip(stream, -header.size % BLOCK)
    return data


def _member(header: Header, stream: Stream, file: Path, limits: Limits) -> Found:
    name = decode(header.name)
    path = relative(name, limits)
    if header.type in REFUSED:
        what, hint = REFUSED[header.type]
        raise ReleaseError(f"the member `{name}` {what}", hint=hint)
    if header.mtime > limits.time:
        raise ReleaseError(
            f"the member `{name}` has the impossible time {header.mtime}", hint=hints.ANEW
        )
    # Before POSIX a directory was a file with a name that ends with a slash.
    directory = header.type == DIRECTORY or (header.type in REGULAR and name.endswith("/"))
    if header.type in REGULAR and not directory:
        if not path:
            raise ReleaseError(f"the member `{name}` is a file without a name", hint=hints.ANEW)
        content, magic = _content(header, stream, file)
        return Found(File(path, header.mode & 0o7777, content), header.mtime, magic)
    if header.size and header.type != HARD_LINK:  # GNU tar ignores the size of a hard link
        raise ReleaseError(
            f"the member `{name}` has {header.size} bytes but is not a file", hint=hints.ANEW
        )
    if directory:
        return Found(Directory(path, header.mode & 0o7777), header.mtime)
    return Found(_link(header, path, limits), header.mtime)


def _link(header: Header, path: str, limits: Limits) -> Entry:
    if header.type not in (SYMLINK, HARD_LINK):
        raise ReleaseError(
            f"the member `{path}` is of the unknown type `{header.type!a}`", hint=hints.ANEW
        )
    target = decode(header.link)
    if not path or not target:
        raise ReleaseError(
            f"the member `{path}` is a link without a name or a target", hint=hints.ANEW
        )
    if header.type == HARD_LINK:
        return HardLink(path, relative(target, limits))
    if len(header.link) > limits.path:
        raise ReleaseError(
            f"the symlink `{path}` has a target of {len(header.link)} bytes", hint=hints.ANEW
        )
    return Symlink(path, target)


def _content(header: Header, stream: Stream, file: Path) -> tuple[Slice, bytes]:
    offset = stream.offset
    content, magic = describe(stream.pieces(header.size), file, offset)
    _skip(stream, -header.size % BLOCK)
    return content, magic


def _skip(stream: Stream, size: int) -> None:
    for _ in stream.pieces(size):
        pass


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
    """The fields that are used; names are bytes, since a pax header may replace them."""

    name: bytes
    mode: int
    size: int
    mtime: int
    type: bytes
    link: bytes


def is_header(block: bytes) -> bool:
    """Whether a file beginning with `block` is a tar archive, perhaps a damaged one."""
    if len(block) < BLOCK:
        return False
    if block[MAGIC] in (USTAR, GNU):
        return True
    checksum = _OCTAL.fullmatch(block[CHECKSUM])
    return checksum is not None and int(checksum[1] or b"0", 8) in _sums(block)


def _parse(block: bytes) -> Header:
    """Parse a header; ReleaseError for a wrong checksum or an invalid number."""
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
    """Return the sum of all bytes with a blank checksum field; some old tars summed signed bytes."""
    blank = bytearray(block)
    blank[CHECKSUM] = b" " * 8
    unsigned = sum(blank)
    negative = 0 if block.isascii() else sum(byte > 127 for byte in blank)
    return unsigned, unsigned - 256 * negative


_LENGTH = re.compile(rb"(\d{1,8}) ")
_SIZE = re.compile(rb"\d{1,19}")
_TIME = re.compile(rb"(-?\d{1,19})(?:\.\d*)?")
_PER_FILE = (b"path", b"linkpath", b"size")


def _overrides(kind: bytes, data: bytes) -> dict[bytes, bytes]:
    """Return what a member of a type in DESCRIPTIONS says about the next one, as pax records."""
    if kind == LONG_NAME:
        return {b"path": data.partition(b"\0")[0]}
    if kind == LONG_LINK:
        return {b"linkpath": data.partition(b"\0")[0]}
    found = _records(data)
    if kind == GLOBAL:
        # A global name makes no sense; comments (git archive) and owners do.
        if bad := [key for key in _PER_FILE if key in found]:
            raise ReleaseError(
                f"a global pax header sets `{bad[0].decode()}` for every file", hint=hints.ANEW
            )
        return {}
    return found


def _records(data: bytes) -> dict[bytes, bytes]:
    """Parse `LENGTH KEY=VALUE\\n` records; the length counts the whole record."""
    found = {}
    position = 0
    while position < len(data):
        length = _LENGTH.match(data, position)
        end = position + int(length[1]) if length else 0
        key, equals, value = data[length.end() : end - 1].partition(b"=") if length else (b"",) * 3
        if end > len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise ReleaseError("a pax header is malformed: the file is damaged", hint=hints.AGAIN)
        found[key] = value
        position = end
    return found


def _apply(header: Header, extended: Mapping[bytes, bytes]) -> None:
    """Replace fields of the header by the values of the extended header."""
    if any(key.startswith(b"GNU.sparse.") for key in extended):
        header.type = b"S"
    if path := extended.get(b"path"):
        header.name = path
    if link := extended.get(b"linkpath"):
        header.link = link
    if size := extended.get(b"size"):
        header.size = int(_value(_SIZE, size, "size")[0])
    if mtime := extended.get(b"mtime"):
        header.mtime = int(_value(_TIME, mtime, "mtime")[1])


def _value(pattern: re.Pattern[bytes], value: bytes, key: str) -> re.Match[bytes]:
    match = pattern.fullmatch(value)
    if not match:
        raise ReleaseError(
            f"a pax header has the {key} `{str(value[:40])[2:-1]}`, which is not a number",
            hint=hints.AGAIN,
        )
    return match
