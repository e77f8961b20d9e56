"""What is learnt about a file in the one pass over its bytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pkgrel.content import Slice
from pkgrel.release import magic


def describe(pieces: Iterable[bytes | memoryview], file: Path, offset: int) -> tuple[Slice, bytes]:
    """Return the slice of `file` that begins at `offset` and has these bytes, and the first few."""
    sha256 = hashlib.sha256()
    size = 0
    start = b""
    for piece in pieces:
        if len(start) < magic.SIZE:
            start += piece[: magic.SIZE - len(start)]
        sha256.update(piece)
        size += len(piece)
    return Slice(file, offset, size, sha256.hexdigest()), start
