"""The changelog that a .deb has among its files: deb-changelog(5).

hello (1.0.0-1) bookworm; urgency=medium

  * First release.

 -- Ada Example <ada@example.org>  Tue, 14 Nov 2023 12:00:00 +0000
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from pkgrel.package import Change

LARGEST = 1 << 20
"""Bytes, packed or not, of what is read of one; a newer entry comes first."""

_MOST = 10
_HEADING = re.compile(r"[a-z0-9][a-z0-9+.-]* \(([^()\s]+)\) .*;", re.IGNORECASE)
_TRAILER = re.compile(r" -- (.*?)  (.*)")


def places(package: str) -> tuple[str, ...]:
    """Where it may be, the surer place first: the other may be upstream's, of whatever form."""
    folder = f"/usr/share/doc/{package}"
    return f"{folder}/changelog.Debian.gz", f"{folder}/changelog.gz"


def read(package: str, files: Mapping[str, bytes]) -> tuple[Change, ...]:
    """The newest entries, newest first; none if there is nothing that can be understood."""
    for place in places(package):
        if files.get(place):
            return tuple(_entries(_unpacked(files[place])))[:_MOST]
    return ()


def _unpacked(data: bytes) -> str:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, LARGEST).decode(errors="replace")
    except zlib.error:
        return ""


def _entries(text: str) -> Iterator[Change]:
    version = ""
    lines: list[str] = []
    for line in text.split("\n"):
        if heading := _HEADING.match(line):
            version, lines = heading[1], []
        elif not version:
            # Not a changelog of Debian's: what follows would be guesswork.
            if line.strip():
                return
        elif trailer := _TRAILER.fullmatch(line.rstrip()):
            yield Change(
                version=version, author=trailer[1], time=_time(trailer[2]), lines=_trimmed(lines)
            )
        else:
            lines.append(line.removeprefix("  ").rstrip())


def _time(said: str) -> int:
    try:
        return int(parsedate_to_datetime(said).timestamp())
    except (ValueError, OverflowError, TypeError):
        return 0


def _trimmed(lines: list[str]) -> tuple[str, ...]:
    return tuple("\n".join(lines).strip("\n").split("\n"))
