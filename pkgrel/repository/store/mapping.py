"""A file as bytes that stay in the file: an upload takes no memory, however large it is."""

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def mapped(data: bytes | Path) -> Iterator[Any]:
    """The bytes; those of a file stay in the file."""
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as source:
        if data.stat().st_size == 0:
            yield b""
            return
        mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield mapped
        finally:
            # obstore may hold on to it for a moment longer; it goes with the last reference.
            with contextlib.suppress(BufferError):
                mapped.close()
