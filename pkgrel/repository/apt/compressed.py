"""The forms in which an index is offered."""

from collections.abc import Mapping

from pkgrel.repository import compression


def compressed(data: bytes) -> Mapping[str, bytes]:
    """Suffix -> bytes: plain, for debootstrap and whoever has no liblzma; gz; xz, which apt prefers."""
    return {"": data, ".gz": compression.gzip(data), ".xz": compression.xz(data)}
