"""Compressed indices, by their suffixes, unpacked no further than is sensible."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any

from pkgrel.compressors import zstd as libzstd
from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS


class _Xz(io.RawIOBase):
    """lzma.LZMAFile with a limit on the decoder's memory, which it does not take."""

    def __init__(self, data: IO[bytes]) -> None:
        self._packed = data.read()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of all streams."""
        out = bytearray()
        data = self._packed
        while data:
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LIMITS.index_xz_memory)
            out += stream.decompress(data, size - len(out))
            if len(out) >= size:
                break
            if not stream.eof:
                raise EOFError("the xz stream ends too early")
            data = stream.unused_data.lstrip(b"\0")
        return bytes(out)


_OPEN: Mapping[str, Callable[[IO[bytes]], Any]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.GzipFile(fileobj=data),
    ".xz": _Xz,
    ".bz2": bz2.BZ2File,
    ".zst": libzstd.ZstdFile,
}
SUFFIXES = (".xz", ".zst", ".gz", ".bz2", "")
"""The smallest first."""
_ERRORS = (OSError, EOFError, lzma.LZMAError, libzstd.ZstdError, zlib.error)


def suffix(name: str) -> str | None:
    """The compressor's suffix of a file like `primary.xml.gz`; None if we do not know it."""
    dotted = name.rpartition("/")[2]
    found = next((s for s in SUFFIXES if s and dotted.endswith(s)), "")
    return found if found or dotted.endswith((".xml", "Packages")) else None


def plain(name: str, data: bytes) -> bytes:
    """What is in the file; RepositoryError if it is damaged, or compressed by something unknown."""
    ending = suffix(name)
    if ending is None:
        raise RepositoryError(
            f"{name}: compressed in a way that pkgrel does not read",
            hint="let the repository offer gz, xz, bz2 or zst",
        )
    try:
        with _OPEN[ending](io.BytesIO(data)) as source:
            text: bytes = source.read(LIMITS.index_unpacked + 1)
    except _ERRORS as e:
        raise RepositoryError(
            f"{name}: damaged: {e}", hint="let the tool that made the repository write it again"
        ) from e
    if len(text) > LIMITS.index_unpacked:
        raise RepositoryError(
            f"{name}: has more than {LIMITS.index_unpacked >> 20} MiB when unpacked",
            hint="import its parts one by one, such as with `--suite`",
        )
    return text
