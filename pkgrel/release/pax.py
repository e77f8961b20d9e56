"""Members that describe the next one: pax extended headers and GNU long names.

Sources: POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual 1.35, "Extensions to POSIX" and
"Sparse Formats".
"""

import re
from collections.abc import Mapping

from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.tar_header import Header

EXTENDED, GLOBAL, LONG_NAME, LONG_LINK = b"x", b"g", b"L", b"K"
TYPES = frozenset((EXTENDED, GLOBAL, LONG_NAME, LONG_LINK))
_LENGTH = re.compile(rb"(\d{1,8}) ")
_SIZE = re.compile(rb"\d{1,19}")
_TIME = re.compile(rb"(-?\d{1,19})(?:\.\d*)?")
_PER_FILE = (b"path", b"linkpath", b"size")


def records(data: bytes) -> dict[bytes, bytes]:
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


def overrides(kind: bytes, data: bytes) -> dict[bytes, bytes]:
    """Return what a member of one of the TYPES says about the next, in pax's words."""
    if kind == LONG_NAME:
        return {b"path": data.partition(b"\0")[0]}
    if kind == LONG_LINK:
        return {b"linkpath": data.partition(b"\0")[0]}
    found = records(data)
    if kind == GLOBAL:
        # One name for all that follow makes no sense; comments (git archive) and owners do.
        if bad := [key for key in _PER_FILE if key in found]:
            raise ReleaseError(
                f"a global pax header sets `{bad[0].decode()}` for every file", hint=hints.ANEW
            )
        return {}
    return found


def apply(header: Header, extended: Mapping[bytes, bytes]) -> None:
    """Put the values of the extended header in place of those that did not fit."""
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
            f"a pax header has the {key} `{value[:40]!a}`, which is no number", hint=hints.AGAIN
        )
    return match
