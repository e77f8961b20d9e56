"""Whether indices say the same, whichever zlib, liblzma or libzstd has packed them.

Another machine's library packs the same text into other bytes, and repomd.xml has their hashes.
"""

import gzip
import hashlib
import lzma
import re
import zlib
from collections.abc import Callable, Mapping

from pkgrel.compressors import zstd
from pkgrel.distro import Format, unsupported
from pkgrel.repository import apt, layout
from pkgrel.repository.head import Target
from pkgrel.repository.render import REPOMD
from pkgrel.repository.store import Store

_UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".zst": zstd.decompress,
}
_BROKEN = (EOFError, OSError, lzma.LZMAError, zlib.error, zstd.ZstdError)
_HASH = re.compile(r"[0-9a-f]{64}-")


def says(folder: str, target: Target, get: Callable[[str], bytes | None]) -> dict[str, str]:
    """The SHA-256 of each index unpacked, by its name; `get` has the objects by key.

    That of an object that is missing or broken is empty.
    """
    found = {}
    for name, (_, sha256) in target.files.items():
        suffix = name[name.rfind(".") :]
        if suffix in _UNPACK:
            key = _key(folder, name, sha256)
            found[_HASH.sub("", name)] = _unpacked(get(key), _UNPACK[suffix])
        elif name != REPOMD:
            found[name] = sha256
    return found


def _key(folder: str, name: str, sha256: str) -> str:
    match layout.format_of(folder):
        case Format.DEB:
            return f"{folder}/{apt.by_hash(name, sha256)}"
        case Format.RPM:
            return f"{folder}/{name}"
        case other:
            raise unsupported(other)


def stored(store: Store) -> Callable[[str], bytes | None]:
    """Gets objects out of a store."""

    def get(key: str) -> bytes | None:
        found = store.get(key)
        return found.data if found else None

    return get


def _unpacked(data: bytes | None, unpack: Callable[[bytes], bytes]) -> str:
    try:
        return hashlib.sha256(unpack(data)).hexdigest() if data else ""
    except _BROKEN:
        return ""
