"""The cpio archive of an rpm's payload, member by member.

    070701 and 13 numbers of 8 hexadecimal digits, name, padding to 4, content, padding to 4
    07070X and the file's index in the header, padding to 4, content, padding to 4

Source: lib/cpio.c of rpm 4.20; the second form is for packages with a file of 4 GiB or more.
rpmfile knows only the first, leaves directories out, and seeks back and forth.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError

_NEWC = b"070701"
_STRIPPED = b"07070X"
_TRAILER = "TRAILER!!!"
_NUMBERS = 13
_SIZE, _NAME_SIZE = 6, 11
_LONGEST = 4096
_MAGIC = 6


@dataclass(frozen=True, slots=True)
class Member:
    """A name, or an index into the header's files, and the size of the content that follows."""

    name: str | None
    index: int | None
    size: int


def members(stream: Stream, size_of: Callable[[int], int]) -> Iterator[Member]:
    """Yield each member while `stream` stands at its content, which the caller may take.

    `size_of` says how much content is stored with the file of an index. PackageError if damaged.
    """
    while True:
        magic = stream.read(_MAGIC)
        if magic == _STRIPPED:
            (index,) = _numbers(stream, 1)
            member = Member(None, index, size_of(index))
        elif magic == _NEWC:
            numbers = _numbers(stream, _NUMBERS)
            member = Member(_name(stream, numbers[_NAME_SIZE]), None, numbers[_SIZE])
        else:
            raise PackageError(f"damaged: its payload has {magic!r} where a member should begin")
        _align(stream)
        if member.name == _TRAILER:
            stream.finish()
            return
        end = stream.tell() + member.size
        yield member
        stream.seek(end)
        _align(stream)


def _numbers(stream: Stream, count: int) -> list[int]:
    digits = stream.read(8 * count)
    if not re.fullmatch(rb"[0-9a-fA-F]{%d}" % (8 * count), digits):
        raise PackageError("damaged: its payload has a member with a wrong header")
    return [int(digits[start : start + 8], 16) for start in range(0, 8 * count, 8)]


def _name(stream: Stream, size: int) -> str:
    name = stream.read(size) if 0 < size <= _LONGEST else b""
    if len(name) != size or name[-1:] != b"\0":
        raise PackageError("damaged: its payload has a member with a wrong name")
    return name[:-1].decode(errors="surrogateescape")


def _align(stream: Stream) -> None:
    stream.seek(stream.tell() + -stream.tell() % 4)
