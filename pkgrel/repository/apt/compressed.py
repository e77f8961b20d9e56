"""The forms in which an index is offered."""

from collections.abc import Mapping

from pkgrel.repository import pieces
from pkgrel.repository.pieces import Before


def compressed(data: bytes, before: Before | None = None) -> Mapping[str, bytes]:
    """Suffix -> bytes: plain, for debootstrap and whoever has no liblzma; gz; xz, which apt prefers.

    The same bytes with and without what was there `before`, which only saves time.
    """
    cut = pieces.cut(data)
    return {"": data, ".gz": pieces.gzip(cut, before), ".xz": pieces.xz(cut, before)}
