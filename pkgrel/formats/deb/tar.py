"""data.tar: GNU tar headers, each followed by the content of its file.

Of the formats with long names and large files dpkg reads only GNU's. `dpkg-deb -c` uses the system's
tar, which accepts more; `dpkg --unpack` has its own reader, which stops at PAX headers. dpkg expects
names that begin with `./`, a `/` after the name of a directory, parents before their contents, and a
hard link after its target.

Source: GNU tar manual, "Basic Tar Format"; deb(5); dpkg, lib/dpkg/tarfn.c and src/main/archives.c.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from pkgrel.errors import PackageError
from pkgrel.formats.encoding import encoded, link_targets
from pkgrel.package import Directory, Entry, File, HardLink, Symlink

FILE, HARD_LINK, SYMLINK, DIRECTORY = b"0", b"1", b"2", b"5"
LONG_LINK, LONG_NAME = b"K", b"L"
LONG = b"././@LongLink"
"""The name of an entry whose content is the next entry's long name or link target."""

BLOCK = 512
END = bytes(2 * BLOCK)

#                       name mode uid gid size mtime checksum type link magic user group rest
HEADER = struct.Struct("100s 8s   8s  8s  12s  12s   8s       c    100s 8s    32s  32s   183x")
MAGIC = b"ustar  \0"
BLANK_CHECKSUM = b" " * 8
CHECKSUM = slice(148, 156)
NAME_SIZE = LINK_SIZE = 100
OWNER_SIZE = 32
ROOT_ID = b"0000000\0"
"""The numbers are for systems that do not know the names."""
LARGEST_OCTAL = 8**11 - 1
BASE_256 = 0x80


def header(
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    mtime: int,
    owner: str = "root",
    group: str = "root",
    size: int = 0,
    link: bytes = b"",
) -> bytes:
    """Everything before an entry's content; `mode` has only permission bits."""
    long = b""
    if len(link) > LINK_SIZE:
        long += _long(LONG_LINK, link)
    if len(name) > NAME_SIZE:
        long += _long(LONG_NAME, name)
    block = HEADER.pack(
        name,
        b"%07o\0" % mode,
        ROOT_ID,
        ROOT_ID,
        _number(size),
        _number(mtime),
        BLANK_CHECKSUM,
        kind,
        link,
        MAGIC,
        _owner(owner),
        _owner(group),
    )
    return long + _with_checksum(block)


def padding(size: int) -> bytes:
    """Zeros that fill the last block of `size` bytes of content."""
    return bytes(-size % BLOCK)


def _long(kind: bytes, text: bytes) -> bytes:
    content = text + b"\0"
    return (
        header(LONG, kind, mode=0o644, mtime=0, size=len(content)) + content + padding(len(content))
    )


def _number(value: int) -> bytes:
    """Octal if it fits, else GNU's base-256: big-endian with the top bit set (dpkg >= 1.18.24)."""
    if value <= LARGEST_OCTAL:
        return b"%011o\0" % value
    return bytes([BASE_256]) + value.to_bytes(11, "big")


def _owner(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) >= OWNER_SIZE:
        raise PackageError(f"user or group `{name}` is longer than {OWNER_SIZE - 1} bytes")
    return encoded


def _with_checksum(block: bytes) -> bytes:
    return b"%b%06o\0 %b" % (block[: CHECKSUM.start], sum(block), block[CHECKSUM.stop :])


@dataclass(frozen=True, slots=True)
class Data:
    """The framing of data.tar."""

    digests = False

    def frame(self, entries: tuple[Entry, ...], *, first: int, mtime: int) -> Iterator[bytes]:
        """Write entries down; tar does not number them."""
        targets = link_targets(entries)
        for entry in entries:
            yield _entry_header(entry, targets, mtime)
            if isinstance(entry, File):
                yield from entry.content.chunks()
                yield padding(entry.content.size)

    def end(self) -> bytes:
        """Two empty blocks."""
        return END


def _entry_header(entry: Entry, targets: Mapping[HardLink, File], mtime: int) -> bytes:
    name = b"." + encoded(entry.path)
    match entry:
        case File(mode=mode, owner=owner, group=group, content=content):
            kind, size, link = FILE, content.size, b""
        case HardLink():
            target = targets[entry]
            mode, owner, group = target.mode, target.owner, target.group
            kind, size, link = HARD_LINK, 0, b"." + encoded(target.path)
        case Symlink(target=text, owner=owner, group=group):
            kind, size, link = SYMLINK, 0, text.encode("utf-8", "surrogateescape")
            mode = 0o777
        case Directory(mode=mode, owner=owner, group=group):
            kind, size, link = DIRECTORY, 0, b""
            # The name of the root already ends with one.
            name = name.rstrip(b"/") + b"/"
        case _:
            assert_never(entry)
    return header(
        name, kind, mode=mode, mtime=mtime, owner=owner, group=group, size=size, link=link
    )
