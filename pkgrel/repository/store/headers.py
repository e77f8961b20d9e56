"""What caches and browsers are told of an object."""

from pkgrel.repository.store import Kind

_CACHE = {
    Kind.IMMUTABLE: "public, max-age=31536000, immutable",
    Kind.POINTER: "no-cache",
}
_TYPES = {
    ".asc": "application/pgp-signature",
    ".css": "text/css; charset=utf-8",
    ".deb": "application/vnd.debian.binary-package",
    ".gpg": "application/pgp-signature",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".list": "text/plain; charset=utf-8",
    ".pref": "text/plain; charset=utf-8",
    ".repo": "text/plain; charset=utf-8",
    ".rpm": "application/x-rpm",
    ".sh": "text/plain; charset=utf-8",
    ".sources": "text/plain; charset=utf-8",
    ".xml": "text/xml",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
_NAMES = dict.fromkeys(("InRelease", "Release", "mirrorlist"), "text/plain; charset=utf-8")


def headers(key: str, kind: Kind) -> dict[str, str]:
    """Cache-Control and Content-Type. Never a Content-Encoding: an index is to arrive as it is."""
    name = key.rpartition("/")[2]
    dot = name.rfind(".")
    by_suffix = _TYPES.get(name[dot:]) if dot >= 0 else None
    return {
        "Cache-Control": _CACHE[kind],
        "Content-Type": _NAMES.get(name) or by_suffix or "application/octet-stream",
    }
