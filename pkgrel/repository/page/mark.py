"""What a page says about itself: which state it shows, and which client files were written with it."""

import hashlib
import json
import re
from dataclasses import dataclass

from pkgrel import __version__
from pkgrel.repository.client import Access

_MARK = re.compile(
    rb'<meta name="pkgrel:generation" content="(\d{1,18})">\s*'
    rb'<meta name="pkgrel:client" content="([0-9a-f]+)">'
)
_HEAD = 1000
"""Bytes at the beginning of the page that the mark is in."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a page."""

    generation: int
    client: str
    """A hash of all that client files are made from."""


def read(page: bytes) -> Mark | None:
    """The mark; None if the page is somebody else's."""
    found = _MARK.search(page[:_HEAD])
    return Mark(int(found[1]), found[2].decode()) if found else None


def client(access: Access) -> str:
    """The hash of what client files are made from."""
    facts = [
        __version__,
        access.name,
        access.title,
        access.url,
        access.mirrorlist,
        [packet.hex() for packet in access.keys.packets],
        [str(place) for place in access.places],
        access.origin,
        access.preferred,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
